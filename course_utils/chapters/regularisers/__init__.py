"""The chapter "The three regularisers"."""

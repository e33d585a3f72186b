"""The chapters, one folder each: explorers, checks of the exercises, figures, experiments and their stories."""

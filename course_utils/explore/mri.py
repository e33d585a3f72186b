def mri_explorer(): pass

module canopy.dev/canopy

go 1.26

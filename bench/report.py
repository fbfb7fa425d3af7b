RESULTS = "x"

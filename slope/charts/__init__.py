"""Charts as pictures: what is drawn, as plain data, and a process that draws it. Free of torch."""

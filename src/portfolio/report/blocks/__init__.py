"""The blocks of figures in the documents, each written from the metrics files by `portfolio readme`."""

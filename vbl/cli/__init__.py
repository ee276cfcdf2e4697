"""The command line: ``vbl train | restore | evaluate | reproduce | data | info``."""

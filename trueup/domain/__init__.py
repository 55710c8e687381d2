"""What Trueup knows, without a clock, a socket or an event loop: values in, values out."""

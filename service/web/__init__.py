"""The page: what people see of Trueup in a browser. Server-rendered, live by server-sent events."""

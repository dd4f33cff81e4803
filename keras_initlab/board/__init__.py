"""The TensorBoard tab: routes and static files. Knows neither Keras nor TensorFlow."""

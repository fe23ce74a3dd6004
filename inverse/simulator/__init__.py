"""Physics of the electron microscope: no network, no configuration, no devices."""

int weir_placeholder;

"""The nouns of the product: types, symbols, errors, formats and clocks. Pure; every room may import it."""

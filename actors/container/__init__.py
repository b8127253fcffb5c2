"""The container actor: one supervised actor owns one container and says what is true of it."""

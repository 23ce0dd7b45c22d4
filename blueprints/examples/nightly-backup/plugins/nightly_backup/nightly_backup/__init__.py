"""Operations and the workflow of the nightly backup."""

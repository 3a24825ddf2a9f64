"""The only place with SQL: tables, and one module of questions and changes per noun."""

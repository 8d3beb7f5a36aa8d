"""What people look at: tables of scores and lists for a terminal, pictures of pairs and of results, and a report page.

- `tables`, `metrics`, `damages`, `junit`: tables and lists, for a terminal or a build server;
- `spectrograms`, `pair_pictures`: PNG pictures of one record, with matplotlib; `_canvas` is what they share;
- `power_grid`, `phase_grid`, `sketch`: a recording reduced to what a picture shows;
- `page`: one HTML file with numbers, pictures and sounds.
"""

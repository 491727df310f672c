-- Counts of a whole district say little: per household they are comparable. A household's share of rooms that are
-- bedrooms, and how full its rooms are, stand for the kind of houses.
SELECT
    total_rooms / NULLIF(households, 0) AS rooms_per_household,
    total_bedrooms / NULLIF(total_rooms, 0) AS bedrooms_per_room,
    population / NULLIF(households, 0) AS people_per_household
FROM rows

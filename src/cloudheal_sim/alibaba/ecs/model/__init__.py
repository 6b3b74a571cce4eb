"""What ECS keeps and how it changes in time; nothing here knows the wire."""

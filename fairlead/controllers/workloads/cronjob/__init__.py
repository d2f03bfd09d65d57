"""Creates the Jobs of CronJobs at the times of their schedules, and deletes old ones."""

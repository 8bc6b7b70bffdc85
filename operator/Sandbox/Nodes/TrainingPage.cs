namespace Bursar.Sandbox.Nodes;

/// <summary>Writes the metrics page of a simulated trainer, with the names that the agent reads.</summary>
internal static class TrainingPage
{
    public static byte[] Write(TrainingProgress? progress)
    {
        var page = new MetricsPage([]);
        if (progress is null)
            return page.ToUtf8();
        page.Gauge("bursar_training_step", "Training steps done.", progress.Step)
            .Gauge("bursar_training_steps", "Training steps in all.", progress.Total);
        if (progress.CheckpointAt is { } at)
            page.Gauge("bursar_training_checkpoint_timestamp_seconds", "When the last checkpoint was written.", at.ToUnixTimeSeconds());
        return page.ToUtf8();
    }
}

using Bursar.Core.Text;

namespace Bursar.Sandbox.Nodes;

/// <summary>The metrics page of a simulated trainer, with the names the agent looks for.</summary>
internal static class TrainingPage
{
    public static byte[] Write(TrainingProgress? progress)
    {
        var writer = new PrometheusWriter();
        var step = writer.Family("bursar_training_step", PrometheusType.Gauge, "Training steps done.");
        var total = writer.Family("bursar_training_steps", PrometheusType.Gauge, "Training steps in all.");
        if (progress is null)
            return writer.ToUtf8();
        step.Sample(progress.Step);
        total.Sample(progress.Total);
        if (progress.CheckpointAt is { } at)
        {
            writer.Family("bursar_training_checkpoint_timestamp_seconds", PrometheusType.Gauge, "When the last checkpoint was written.")
                .Sample(at.ToUnixTimeSeconds());
        }

        return writer.ToUtf8();
    }
}

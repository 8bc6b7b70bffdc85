using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Safety;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Scaling;

/// <summary>Writes the status of scalers if it is due, within the rate limit of all status writes.</summary>
internal sealed partial class ScalerStatusWriter(
    KubeClient client,
    WriteRateLimiter rateLimiter,
    TimeProvider time,
    ILogger<ScalerStatusWriter> logger
)
{
    private readonly FailureLog _failures = new(client);

    internal async Task WriteAsync(ScalerEntry entry, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var status = entry.Latest is ({ } snapshot, { } decision)
            ? ScalerStatus.From(entry.Scaler, snapshot, decision, entry.Burn, entry.ScaledAt)
            : ScalerStatus.Refused(entry.Scaler, entry.Hindrance?.Reason ?? Reasons.TargetNotFound, entry.Refusal ?? "", now);
        if (entry.Latest is not null && entry.Refusal is { } refusal)
            status.Message = $"{status.Message} {ScalerEvaluator.Message(refusal)}";
        if (
            ScalerStatus.DueIn(
                entry.Written?.Status ?? entry.Scaler.Status,
                status,
                entry.Written is { } written ? now - written.At : TimeSpan.MaxValue
            )
                is not { } due
            || due > TimeSpan.Zero
        )
            return;
        if (!rateLimiter.TryTake(entry.Scaler.Metadata.Uid, out _))
            return;
        try
        {
            await client.PatchAsync<V1Alpha1InferenceScaler>(
                entry.Scaler.Metadata.Name,
                entry.Scaler.Metadata.Namespace,
                KubePatch.Merge(ScalerStatus.Patch(entry.Scaler, status)) with
                {
                    Subresource = "status",
                },
                cancellationToken
            );
            entry.Written = (status, now);
        }
        catch (ApiException error) when (error.IsNotFound || error.IsConflict)
        {
            // Deleted, or recreated under the same name. The next pass finds out.
        }
        catch (ApiException error)
        {
            // Continue with the other scalers.
            if (_failures.IsNews(error))
                LogFailed(error.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Could not write the status of a scaler, retrying: {Reason}")]
    private partial void LogFailed(string reason);
}

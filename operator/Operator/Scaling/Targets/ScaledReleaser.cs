using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Reconcile;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Scaling.Targets;

/// <summary>
/// Restores the objects that deleted scalers changed, one at a time. This includes scalers that were deleted while no replica led.
/// </summary>
/// <param name="isInUse">Whether the scaler of a record exists and still has the same target.</param>
internal sealed partial class ScaledReleaser(
    OperatorState state,
    ScaleActor actor,
    Func<ScalerRecord, bool> isInUse,
    ObserveOnlyMode control,
    KubeClient client,
    ILogger<ScaledReleaser> logger
)
{
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>A recreated scaler has this time to take over the changes of the former one.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    private readonly Dictionary<(string Scaler, string Target), DateTimeOffset> _missing = [];
    private readonly HashSet<(string Scaler, string Target)> _refused = [];

    public Task RunAsync(CancellationToken cancellationToken) =>
        RetryingLoop.RunAsync(
            client,
            "scaled releaser",
            Interval,
            token => control.ObserveOnly ? Task.CompletedTask : ReleaseOneAsync(token),
            LogFailed,
            cancellationToken
        );

    private async Task ReleaseOneAsync(CancellationToken cancellationToken)
    {
        var now = client.TimeProvider.GetUtcNow();
        ApiException? failed = null;
        var records = state.Scaled();
        foreach (var gone in _missing.Keys.Except(records.Select(KeyOf)).ToArray())
            _missing.Remove(gone);
        foreach (var record in records)
        {
            var key = KeyOf(record);
            if (isInUse(record))
            {
                _missing.Remove(key);
                continue;
            }
            if (!_missing.TryGetValue(key, out var since))
                _missing[key] = since = now;
            if (now - since < Grace)
                continue;
            try
            {
                var outcome = await actor.ReleaseAsync(record, cancellationToken);
                if (outcome.Result == WriteResult.Refused)
                {
                    // Another version wrote the record and can restore it. Log it once.
                    if (_refused.Add(key))
                        LogFailed(outcome.Text!);
                    continue;
                }
                LogReleased(record.Namespace, record.ScalerName, record.Target.Kind, record.Target.Name, outcome.Result);
                if (outcome.Result == WriteResult.Done)
                    return;
            }
            catch (ApiException error)
            {
                // Continue with the other objects.
                failed ??= error;
            }
        }
        if (failed is not null)
            throw failed;
    }

    private static (string Scaler, string Target) KeyOf(ScalerRecord record) => (record.ScalerUid, record.Target.Uid);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Restored fields of a deleted scaler: Namespace={Namespace} Scaler={Scaler} Kind={Kind} Name={Name} Result={Result}"
    )]
    private partial void LogReleased(string @namespace, string scaler, string kind, string name, WriteResult result);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Could not restore fields of a deleted scaler, retrying: {Reason}")]
    private partial void LogFailed(string reason);
}

using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Reconcile;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Scaling.Targets;

/// <summary>
/// A scaler that no longer exists holds nothing: what it changed of other people's objects is given back, one object at a time. One that
/// was deleted while nobody led is found the same way.
/// </summary>
/// <param name="isStillSuspended">Whether the scaler of a record still exists and still stands by what it changed.</param>
internal sealed partial class ScaledReleaser(
    OperatorState state,
    ScaleActor actor,
    Func<ScalerRecord, bool> isStillSuspended,
    ObserveOnlyMode control,
    KubeClient client,
    ILogger<ScaledReleaser> logger
)
{
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>A scaler that is made anew takes over what the former one changed: it is given the time to.</summary>
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
            if (isStillSuspended(record))
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
                    // Another version wrote it and can restore it. Told once.
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
                // One object that cannot be written must not hold up those behind it.
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "Could not restore what a deleted scaler had changed, retrying: {Reason}")]
    private partial void LogFailed(string reason);
}

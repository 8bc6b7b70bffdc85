using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Kubernetes.Reconcile;
using Bursar.Operator.Cluster;
using Bursar.Operator.Telemetry;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Scaling;

/// <summary>The loop of all scalers. It evaluates the scalers of all enqueued namespaces together, writes replicas, then status.</summary>
internal sealed partial class ScalerLoop(
    KubeClient client,
    ClusterStores stores,
    ScalerEvaluator evaluator,
    ScalerActor actor,
    ScalerStatusWriter statuses,
    ExternalScalerClients externalClients,
    ILogger<ScalerLoop> logger
)
{
    /// <summary>Longest interval between evaluations, because windows, cooldowns and schedules depend on time alone.</summary>
    public static readonly TimeSpan Evaluation = TimeSpan.FromSeconds(5);

    /// <summary>Changes within this time are evaluated together.</summary>
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(100);

    /// <summary>Pause per evaluation time, so that evaluation takes at most a fifth of a core.</summary>
    private const int PauseFactor = 4;

    private const int WritesAtOnce = 8;

    private readonly FailureLog _failures = new(client);
    private readonly AsyncAutoResetEvent _wakeup = new(client.TimeProvider, "a change of scalers");
    private readonly Lock _gate = new();
    private readonly HashSet<string> _dirty = new(StringComparer.Ordinal);

    public void Wake(string ns)
    {
        lock (_gate)
            if (!_dirty.Add(ns))
                return;
        _wakeup.Set();
    }

    public void WakeIfScaled(string ns)
    {
        if (stores.Scalers.Store.ByIndex(Indexes.Namespace, ns).Any() || externalClients.HasAny(ns))
            Wake(ns);
    }

    /// <summary>Enqueues the scalers of pods with new metrics.</summary>
    public void WakeFor(IReadOnlyCollection<string> podUids)
    {
        foreach (var uid in podUids)
            if (evaluator.IsScaled(uid) && stores.Pods.Store.GetByUid(uid)?.Metadata.Namespace is { } ns)
                Wake(ns);
    }

    /// <summary>Enqueues scalers with a new answer of Prometheus.</summary>
    public void WakeScalers(IReadOnlyCollection<string> scalerUids)
    {
        foreach (var uid in scalerUids)
            if (stores.Scalers.Store.GetByUid(uid)?.Metadata.Namespace is { } ns)
                Wake(ns);
    }

    public Task RunAsync(CancellationToken cancellationToken) =>
        PeriodicLoop.RunAsync(
            client.TimeProvider,
            "scalers",
            async token =>
            {
                await _wakeup.WaitAsync(token);
                string[] dirty;
                lock (_gate)
                {
                    dirty = [.. _dirty];
                    _dirty.Clear();
                }
                var elapsed = TimeSpan.Zero;
                try
                {
                    var begun = client.TimeProvider.GetTimestamp();
                    var entries = evaluator.Evaluate(stores.Coverage.WithShared(dirty));
                    // Writes do not count, because they wait for the API server and use little CPU.
                    elapsed = client.TimeProvider.GetElapsedTime(begun);
                    await WriteAsync(entries, token);
                    _failures.Succeeded();
                }
                catch (Exception error) when (error is ApiException or HttpRequestException or TimeoutException)
                {
                    if (_failures.IsNews(error))
                        LogFailed(error.Message);
                }
                var pause = elapsed * PauseFactor;
                return pause < Gathering ? Gathering
                    : pause > Evaluation ? Evaluation
                    : pause;
            },
            cancellationToken
        );

    /// <summary>Enqueues all scalers at every interval, for what depends on time alone.</summary>
    public Task TickAsync(CancellationToken cancellationToken) =>
        PeriodicLoop.RunAsync(
            client.TimeProvider,
            "scalers' clock",
            _ =>
            {
                foreach (
                    var ns in stores
                        .Scalers.Store.List()
                        .Select(scaler => scaler.Metadata.Namespace ?? "")
                        .Concat(externalClients.Namespaces)
                        .Distinct(StringComparer.Ordinal)
                )
                    Wake(ns);
                return Task.FromResult(Evaluation);
            },
            cancellationToken
        );

    private async Task WriteAsync(List<ScalerEntry> entries, CancellationToken cancellationToken)
    {
        await TaskGroup.ForEachAsync(
            client.TimeProvider,
            entries.Where(entry => entry.Latest is not null),
            WritesAtOnce,
            async (entry, token) =>
            {
                if (await actor.ActAsync(entry, token))
                    Wake(entry.Ref.Namespace);
            },
            cancellationToken
        );
        foreach (var entry in entries)
            await statuses.WriteAsync(entry, cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Scaler evaluation failed, retrying: {Reason}")]
    private partial void LogFailed(string reason);
}

using Bursar.Api;
using Bursar.Concurrency;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Kubernetes.Reconcile;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Writes what jobs cost as annotations on them, for the budgets with <c>spec.costAnnotations</c>. Only kinds with a suspend field are
/// annotated: the operator writes others through their scale subresource only, or their controllers may copy annotations to pod templates,
/// so that each write would restart their pods (KServe does).
/// </summary>
internal sealed partial class CostAnnotator(
    ClusterStores stores,
    DecisionStore decisions,
    KubeClient client,
    WriteRateLimiter rateLimiter,
    ObserveOnlyMode control,
    ILogger<CostAnnotator> logger
)
{
    public const string Manager = "bursar-cost";

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    /// <summary>The least time between two writes to one workload.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(5);

    /// <summary>The least time between two writes, so that status writes keep most of the rate.</summary>
    private static readonly TimeSpan Spacing = TimeSpan.FromMilliseconds(500);

    private static readonly Dictionary<string, string> Nothing = new(StringComparer.Ordinal);

    private readonly FieldWriter _writer = new(client);

    /// <summary>The workloads with annotations, and when this leader wrote them last.</summary>
    private readonly Dictionary<WorkloadKey, DateTimeOffset> _annotated = [];

    private bool _hasScanned;

    public Task RunAsync(CancellationToken cancellationToken) =>
        RetryingLoop.RunAsync(client, "cost annotations", Interval, PassAsync, LogFailed, cancellationToken);

    private async Task PassAsync(CancellationToken cancellationToken)
    {
        if (control.ObserveOnly)
            return;
        if (!_hasScanned)
            Scan();
        ApiException? failed = null;
        var wanted = Wanted();
        foreach (var key in wanted.Keys.Concat(_annotated.Keys).Distinct().ToArray())
        {
            if (
                WorkloadKinds.Find(key.Kind) is not { Suspends: true } kind
                || stores.Stoppable?.Contains(kind.Name) == false
                || stores.CacheOf(key.Kind)?.Get(key.Namespace, key.Name, key.Uid) is not { IsFinished: false } work
            )
            {
                // A job that has ended keeps its last figures.
                _annotated.Remove(key);
                continue;
            }
            var values = wanted.GetValueOrDefault(key, Nothing);
            if (Shows(work.Metadata, values))
            {
                if (values.Count == 0)
                    _annotated.Remove(key);
                continue;
            }
            var now = client.TimeProvider.GetUtcNow();
            if (values.Count > 0 && _annotated.TryGetValue(key, out var written) && now - written < Pause)
                continue;
            while (!rateLimiter.TryTake($"cost/{key.Uid}", out var wait))
                await PeriodicLoop.PauseAsync(client.TimeProvider, wait, cancellationToken);
            _annotated[key] = now;
            try
            {
                await _writer.ApplyAnnotationsAsync(kind.Entity, key, Manager, values, cancellationToken);
            }
            catch (ApiException error) when (error.IsNotFound || error.IsConflict)
            {
                // The workload is gone.
            }
            catch (ApiException error)
            {
                failed ??= error;
            }
            await PeriodicLoop.PauseAsync(client.TimeProvider, Spacing, cancellationToken);
        }
        if (failed is not null)
            throw failed;
    }

    /// <summary>Finds the annotations that an earlier leader wrote. Their budget may be gone.</summary>
    private void Scan()
    {
        foreach (var cache in stores.Kinds.Where(cache => cache.Kind.Suspends))
        foreach (var work in cache.All().Where(work => work.Metadata.Annotations.ContainsKey(BursarAnnotations.Cost)))
            _annotated[work.Key] = DateTimeOffset.MinValue;
        _hasScanned = true;
    }

    /// <summary>
    /// Returns the annotations by workload. If several budgets ask for them, those of the namespace come first, then the order is by name.
    /// </summary>
    private Dictionary<WorkloadKey, Dictionary<string, string>> Wanted()
    {
        var wanted = new Dictionary<WorkloadKey, Dictionary<string, string>>();
        foreach (
            var budget in stores
                .Coverage.All.Where(budget => budget.BudgetSpec?.CostAnnotations == true)
                .OrderBy(budget => budget is V1Alpha1ClusterGpuBudget)
                .ThenBy(budget => budget.Metadata.Name, StringComparer.Ordinal)
        )
            if (decisions.Get(budget) is { } decision)
                foreach (var work in decision.Workloads)
                {
                    var values = new Dictionary<string, string>(StringComparer.Ordinal)
                    {
                        [BursarAnnotations.Cost] = $"{work.Spent.ToShortString()} {decision.Currency}",
                    };
                    // Nothing more is spent on a suspended job until it resumes.
                    if (work.State == WorkloadState.Running)
                        values[BursarAnnotations.ProjectedCost] = $"{work.Projected.ToShortString()} {decision.Currency}";
                    wanted.TryAdd(work.Key, values);
                }
        return wanted;
    }

    private static bool Shows(V1ObjectMeta metadata, Dictionary<string, string> values) =>
        metadata.Annotations.GetValueOrDefault(BursarAnnotations.Cost) == values.GetValueOrDefault(BursarAnnotations.Cost)
        && metadata.Annotations.GetValueOrDefault(BursarAnnotations.ProjectedCost)
            == values.GetValueOrDefault(BursarAnnotations.ProjectedCost);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Could not write cost annotations: Reason={Reason}")]
    private partial void LogFailed(string reason);
}

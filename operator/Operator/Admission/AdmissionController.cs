using System.Text.Json;
using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Admission;

/// <summary>
/// Answers the API server's questions about new work, from this replica's caches alone: it asks nobody and writes nothing, so any
/// replica may answer, and a dry run is answered like any request. Refused are new GPU pods alone, of a budget that says so
/// (<c>interactive.whenExhausted: Gate</c>) and is used up. An object that cannot be read goes through as it is.
/// </summary>
internal sealed partial class AdmissionController(
    ClusterStores stores,
    Func<bool> ready,
    DecisionStore decisions,
    string ownNamespace,
    TimeProvider time,
    ILogger<AdmissionController> logger
)
{
    private static readonly AdmissionVerdict Untouched = new(false, []);

    private volatile Func<WorkloadObject, HourlyCost?>? _price;

    /// <summary>This replica leads, so it knows the hourly cost of new work. Other replicas name none.</summary>
    public void Lead(Func<WorkloadObject, HourlyCost?> price) => _price = price;

    public AdmissionResponse Review(AdmissionRequest request)
    {
        var uid = request.Uid ?? "";
        if (ReadPod(request) is { } pod)
            return WhyRefused(pod) is { } why
                ? new()
                {
                    Uid = uid,
                    Allowed = false,
                    Status = new(403, "Forbidden", why),
                }
                : new() { Uid = uid };
        if (ReadWork(request) is not { } work)
            return new() { Uid = uid };
        // Asked again after another webhook: it is judged as it was before the first answer.
        var marked = AdmissionGate.IsGated(work);
        var (patch, warnings) = Answer(marked ? work with { Field = AdmissionGate.OriginalOf(work) } : work, marked);
        var json = patch.Count == 0 ? null : KubePatch.Json([.. patch]).Body.ToArray();
        return new()
        {
            Uid = uid,
            Patch = json,
            PatchType = json is null ? null : "JSONPatch",
            Warnings = warnings.Count == 0 ? null : warnings,
        };
    }

    private (IReadOnlyList<PatchOperation> Patch, IReadOnlyList<string> Warnings) Answer(WorkloadObject work, bool marked)
    {
        var queued = ManagerAdapters.IsQueued(work, stores);
        var verdict = queued || work.IsStopped || !work.HasGpus || IsPart(work) ? Untouched : Judge(work);
        if (verdict.Gate == marked)
            return ([], verdict.Warnings);
        return (
            verdict.Gate ? [.. AdmissionGate.Gate(work)]
            : queued ? [AdmissionGate.Erase()]
            : [.. AdmissionGate.Remove(work)],
            verdict.Warnings
        );
    }

    private AdmissionVerdict Judge(WorkloadObject work)
    {
        // The caches are being read: the leader holds it after it was made.
        if (!ready())
            return Untouched;
        var labels = work.Labels;
        var budgets = new List<ReviewedBudget>();
        foreach (
            var budget in stores
                .Budgets.Store.ByIndex(Indexes.Namespace, work.Namespace)
                .OrderBy(b => b.Metadata.Name, StringComparer.Ordinal)
        )
        {
            var errors = GpuBudgetReader.Read(budget, out var terms, out var selector, out var exempt);
            // Whether a budget with a selector that cannot be read means this work, nobody knows.
            if (errors.Count > 0 && !GpuBudgetReader.TryReadSelector(budget, out selector) || !selector.Matches(labels))
                continue;
            budgets.Add(
                new(
                    budget.Metadata.Name,
                    errors.Count > 0 ? null : terms,
                    exempt?.Matches(labels) == true,
                    BudgetFigures.Of(budget, decisions.Of(budget))
                )
                {
                    IsReleased = errors.Count == 0 && ReleasedAt(budget, terms!.Window) is not null,
                }
            );
        }
        if (budgets.Count == 0)
            return Untouched;
        var asked = new ReviewedWorkload(
            work.Kind.Name,
            work.Gpus,
            _price?.Invoke(work),
            work.TerminationGrace,
            SuspensionEligibility.WhyNot(work, stores)
        );
        return AdmissionRule.Judge(
            asked,
            budgets,
            ObserveOnlyMode.IsObserve(stores.Control.Store.Get(ownNamespace, ObserveOnlyMode.Name)),
            time.GetUtcNow()
        );
    }

    /// <summary>
    /// Why a new GPU pod is refused: a budget gates such pods, is used up, and could not suspend it; null where none does.
    /// </summary>
    private string? WhyRefused(V1Pod pod)
    {
        if (!ready() || !stores.Gpus.OfPod(pod).IsAny)
            return null;
        var observes = ObserveOnlyMode.IsObserve(stores.Control.Store.Get(ownNamespace, ObserveOnlyMode.Name));
        // An owner that is not in the caches yet: the pod's own labels are its template's.
        var top = PodWorkload.Of(pod, stores);
        var work = top is null ? null : stores.Of(top.Key.Kind)?.Get(top.Key.Namespace, top.Key.Name);
        foreach (
            var budget in stores
                .Budgets.Store.ByIndex(Indexes.Namespace, pod.Metadata.Namespace ?? "")
                .OrderBy(b => b.Metadata.Name, StringComparer.Ordinal)
        )
        {
            if (observes || GpuBudgetReader.Read(budget, out var terms, out var selector, out var exempt).Count > 0)
                continue;
            var labels = top?.Labels ?? pod.Metadata.Labels;
            if (
                terms!.NewPods != NewPodsWhenExhausted.Gate
                || terms.Mode != EnforcementMode.Enforce
                || !selector.Matches(labels)
                || exempt?.Matches(labels) == true
                || ReleasedAt(budget, terms.Window) is not null
            )
                continue;
            if (
                BudgetFigures.Of(budget, decisions.Of(budget)) is not { UsedUp: true } money
                || terms.Window.Period == WindowPeriod.Once && !Window.At(terms.Window, time.GetUtcNow()).Contains(time.GetUtcNow())
            )
                continue;
            // The operator suspends it with its workload.
            var suspendable =
                work is not null
                && SuspensionEligibility.WhyNot(work, stores) is null
                && (top!.Class == WorkloadClass.Training || terms.WhenExhausted == WhenExhausted.Zero);
            if (suspendable)
                continue;
            return $"gpubudget {budget.Metadata.Name} is used up: {money.Spent.ToShortString()} of {money.Limit.ToShortString()} {money.Currency} is spent. It refuses new GPU pods that Bursar cannot suspend (interactive.whenExhausted: Gate). "
                + "Raise its limit, add a top-up, or wait for its next window.";
        }
        return null;
    }

    private DateTimeOffset? ReleasedAt(V1Alpha1GpuBudget budget, WindowSpec window) =>
        ReleaseMark
            .InForce(
                budget.Metadata.Annotations.GetValueOrDefault(BursarAnnotations.Released),
                budget.Metadata.Generation,
                window,
                time.GetUtcNow()
            )
            ?.At;

    /// <summary>Null where it is no new pod, or none that can be read.</summary>
    private V1Pod? ReadPod(AdmissionRequest request)
    {
        if (
            request
            is not {
                Operation: "CREATE",
                SubResource: null or "",
                Kind: { Kind: "Pod", Group: null or "", Version: "v1" },
                Object: { ValueKind: JsonValueKind.Object } json
            }
        )
            return null;
        try
        {
            return json.Deserialize(V1Pod.JsonTypeInfo) is { } pod
                ? pod with
                {
                    Metadata = pod.Metadata with { Namespace = request.Namespace },
                }
                : null;
        }
        catch (JsonException odd)
        {
            LogOdd(request.Namespace ?? "", request.Name ?? "", "Pod", odd.Message);
            return null;
        }
    }

    /// <summary>
    /// Made by a controller for an object of its own, which is the workload then. Only a CronJob's runs are each their own.
    /// </summary>
    private static bool IsPart(WorkloadObject work) => work.Metadata.ControllerReference() is { Kind: not "CronJob" };

    /// <summary>Null where it is no work that a webhook could suspend.</summary>
    private WorkloadObject? ReadWork(AdmissionRequest request)
    {
        if (
            request
            is not {
                Operation: "CREATE",
                SubResource: null or "",
                Kind: { Kind: { } kind, Group: var group, Version: var version },
                Object: { ValueKind: JsonValueKind.Object } json
            }
        )
            return null;
        if (WorkloadKinds.Of($"{group}/{version}", kind) is not { Suspends: true } known || known.Entity.Version != version)
            return null;
        try
        {
            return known.Parse(json) is { } work
                ? stores.Gpus.Complete(work with { Metadata = work.Metadata with { Namespace = request.Namespace } })
                : null;
        }
        catch (JsonException odd)
        {
            LogOdd(request.Namespace ?? "", request.Name ?? "", kind, odd.Message);
            return null;
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Admitted unreadable workload: Namespace={Namespace} Name={Name} Kind={Kind} Error={Error}"
    )]
    private partial void LogOdd(string @namespace, string name, string kind, string error);
}

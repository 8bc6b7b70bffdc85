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
/// Answers admission requests for new workloads from this replica's caches. It makes no requests and writes nothing, so any replica may
/// answer and a dry run is answered like any request. It denies only new GPU pods of a budget with <c>interactive.whenExhausted: Gate</c>
/// that is used up. Unreadable objects are admitted unchanged.
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

    /// <summary>Provides the hourly cost of new workloads for warnings. Only the leader knows it; other replicas name no cost.</summary>
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
        // After another webhook's change the API server calls again. Evaluate the object as before the first answer.
        var gated = AdmissionGate.IsGated(work);
        var (patch, warnings) = Answer(gated ? work with { Field = AdmissionGate.OriginalOf(work) } : work, gated);
        var json = patch.Count == 0 ? null : KubePatch.Json([.. patch]).Body.ToArray();
        return new()
        {
            Uid = uid,
            Patch = json,
            PatchType = json is null ? null : "JSONPatch",
            Warnings = warnings.Count == 0 ? null : warnings,
        };
    }

    /// <summary>
    /// Labels a new workload with its creator: the user who makes the request, or for a run that the cluster's controller makes, the creator of
    /// its CronJob. A label that the user set is replaced.
    /// </summary>
    public AdmissionResponse LabelCreator(AdmissionRequest request)
    {
        var unchanged = new AdmissionResponse { Uid = request.Uid ?? "" };
        if (
            request is not { Operation: "CREATE", SubResource: null or "", UserInfo: { Username: { Length: > 0 } name } user }
            || ReadMetadata(request) is not { } metadata
        )
            return unchanged;
        var controller = metadata.ControllerReference();
        // Its owner is the workload.
        if (controller is { IsCronJob: false })
            return unchanged;
        var (label, whole) = (CreatorLabel.ValueOf(name), name);
        // A user who names the CronJob of another user as the owner creates the object all the same.
        if (controller is not null && IsClusterController(user))
        {
            var cronJob = stores.CronJobs.Store.Get(request.Namespace, controller.Name)?.Metadata;
            if (cronJob?.Uid != controller.Uid)
                cronJob = null;
            (label, whole) = (
                cronJob?.Labels.GetValueOrDefault(BursarAnnotations.CreatedBy),
                cronJob?.Annotations.GetValueOrDefault(BursarAnnotations.CreatedBy)
            );
        }
        PatchOperation[] patch = [.. Set("labels", metadata.Labels, label), .. Set("annotations", metadata.Annotations, whole)];
        return patch.Length == 0 ? unchanged : unchanged with { Patch = KubePatch.Json(patch).Body.ToArray(), PatchType = "JSONPatch" };

        static IEnumerable<PatchOperation> Set(string field, IReadOnlyDictionary<string, string> now, string? value)
        {
            var pointer = PatchOperation.Pointer("metadata", field, BursarAnnotations.CreatedBy);
            if (now.GetValueOrDefault(BursarAnnotations.CreatedBy) == value)
                yield break;
            if (value is null)
            {
                yield return PatchOperation.Remove(pointer);
                yield break;
            }
            if (now.Count == 0)
                yield return PatchOperation.Add(PatchOperation.Pointer("metadata", field), new System.Text.Json.Nodes.JsonObject());
            yield return PatchOperation.Add(pointer, value);
        }
    }

    /// <summary>Whether the user is a controller of the cluster itself, which the chart's policies exempt too.</summary>
    private static bool IsClusterController(AdmissionUser user) =>
        user.Username == "system:kube-controller-manager" || user.Groups?.Contains("system:serviceaccounts:kube-system") == true;

    /// <summary>Returns the metadata of the new object; null if it is unreadable.</summary>
    private V1ObjectMeta? ReadMetadata(AdmissionRequest request)
    {
        if (
            request.Object is not { ValueKind: JsonValueKind.Object } json
            || !json.TryGetProperty("metadata", out var metadata)
            || metadata.ValueKind != JsonValueKind.Object
        )
            return null;
        try
        {
            return metadata.Deserialize(KubeJson.TypeInfo<V1ObjectMeta>());
        }
        catch (JsonException error)
        {
            LogUnreadable(request.Namespace ?? "", request.Name ?? "", request.Kind?.Kind ?? "", error.Message);
            return null;
        }
    }

    private (IReadOnlyList<PatchOperation> Patch, IReadOnlyList<string> Warnings) Answer(WorkloadObject work, bool gated)
    {
        var queued = ManagerAdapters.IsQueued(work, stores);
        var verdict = queued || work.IsStopped || !work.HasGpus || IsPart(work) ? Untouched : Judge(work);
        if (verdict.Gate == gated)
            return ([], verdict.Warnings);
        return (
            verdict.Gate ? [.. AdmissionGate.Gate(work)]
            : queued ? [AdmissionGate.Erase(work)]
            : [.. AdmissionGate.Remove(work)],
            verdict.Warnings
        );
    }

    private AdmissionVerdict Judge(WorkloadObject work)
    {
        // The caches are not synced yet. The leader evaluates the workload after its creation.
        if (!ready())
            return Untouched;
        var labels = work.Labels;
        var budgets = new List<ReviewedBudget>();
        // The limits inside a budget gate the same workloads.
        foreach (var budget in stores.Coverage.In(work.Namespace).OrderBy(b => b.Metadata.Name, StringComparer.Ordinal))
        {
            var errors = GpuBudgetReader.Read(budget, out var terms, out var selector, out var exempt);
            // A budget with an unreadable selector cannot be matched.
            if (errors.Count > 0 && !GpuBudgetReader.TryReadSelector(budget, out selector) || !selector.Matches(labels))
                continue;
            budgets.Add(
                new(
                    NameOf(budget),
                    errors.Count > 0 ? null : terms,
                    exempt?.Matches(labels) == true,
                    BudgetFigures.From(budget, decisions.Get(budget))
                )
                {
                    IsReleased = errors.Count == 0 && ReleasedAt(budget, terms!.Window) is not null,
                }
            );
        }
        if (budgets.Count == 0)
            return Untouched;
        var reviewed = new ReviewedWorkload(
            work.Kind.Name,
            work.Gpus,
            _price?.Invoke(work),
            work.TerminationGrace,
            SuspensionEligibility.WhyNot(work, stores)
        );
        return AdmissionRule.Judge(
            reviewed,
            budgets,
            ObserveOnlyMode.IsObserve(stores.Control.Store.Get(ownNamespace, ObserveOnlyMode.Name)),
            time.GetUtcNow()
        );
    }

    /// <summary>
    /// Returns why a new GPU pod is denied: a budget gates such pods, is used up, and could not suspend it. Null if it is allowed.
    /// </summary>
    private string? WhyRefused(V1Pod pod)
    {
        if (!ready() || !stores.Gpus.OfPod(pod).IsAny)
            return null;
        var observes = ObserveOnlyMode.IsObserve(stores.Control.Store.Get(ownNamespace, ObserveOnlyMode.Name));
        // If the owner is not cached yet, use the pod's own labels, which come from its template.
        var top = PodWorkload.From(pod, stores);
        var work = top is null ? null : stores.CacheOf(top.Key.Kind)?.Get(top.Key.Namespace, top.Key.Name);
        foreach (
            var budget in stores.Coverage.WithLimitsIn(pod.Metadata.Namespace ?? "").OrderBy(b => b.Metadata.Name, StringComparer.Ordinal)
        )
        {
            if (observes || GpuBudgetReader.Read(budget, out var terms, out var selector, out var exempt).Count > 0)
                continue;
            var labels = top?.Labels ?? pod.Metadata.Labels;
            if (
                terms!.NewPods != NewPodsWhenExhausted.Gate
                || terms.Mode != EnforcementMode.Enforce
                // The GPU that the pod will get is not known yet.
                || terms.Counted.IsPartial
                || !selector.Matches(labels)
                || exempt?.Matches(labels) == true
                || ReleasedAt(budget, terms.Window) is not null
            )
                continue;
            if (
                BudgetFigures.From(budget, decisions.Get(budget)) is not { UsedUp: true } figures
                || terms.Window.Period == WindowPeriod.Once && !Window.At(terms.Window, time.GetUtcNow()).Contains(time.GetUtcNow())
            )
                continue;
            // The operator suspends this pod with its workload.
            var suspendable =
                work is not null
                && SuspensionEligibility.WhyNot(work, stores) is null
                && (top!.Class == WorkloadClass.Training || terms.WhenExhausted == WhenExhausted.Zero);
            if (suspendable)
                continue;
            return $"{NameOf(budget)} is used up: {figures.Spent.ToShortString()} of {figures.Limit.ToShortString()} {figures.Currency} is spent. It refuses new GPU pods that Bursar cannot suspend (interactive.whenExhausted: Gate). "
                + "Raise its limit, add a top-up, or wait for its next window.";
        }
        return null;
    }

    private static string NameOf(BudgetObject budget) => $"{budget.Kind.ToLowerInvariant()} {budget.Metadata.Name}";

    private DateTimeOffset? ReleasedAt(BudgetObject budget, WindowSpec window) =>
        ReleaseMark
            .InForce(
                budget.Metadata.Annotations.GetValueOrDefault(BursarAnnotations.Released),
                budget.Metadata.Generation,
                window,
                time.GetUtcNow()
            )
            ?.At;

    /// <summary>Returns the new pod; null for other requests or if it is unreadable.</summary>
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
        catch (JsonException error)
        {
            LogUnreadable(request.Namespace ?? "", request.Name ?? "", "Pod", error.Message);
            return null;
        }
    }

    /// <summary>
    /// Whether another object's controller created it, so that the other object is the workload. Only the runs of a CronJob are workloads
    /// by themselves.
    /// </summary>
    private static bool IsPart(WorkloadObject work) => work.Metadata.ControllerReference() is { Kind: not "CronJob" };

    /// <summary>Returns the new workload; null if it has no suspend field or is unreadable.</summary>
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
        if (WorkloadKinds.Find($"{group}/{version}", kind) is not { Suspends: true } known || known.Entity.Version != version)
            return null;
        try
        {
            return known.Parse(json) is { } work
                ? stores.Gpus.Complete(work with { Metadata = work.Metadata with { Namespace = request.Namespace } })
                : null;
        }
        catch (JsonException error)
        {
            LogUnreadable(request.Namespace ?? "", request.Name ?? "", kind, error.Message);
            return null;
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Admitted unreadable workload: Namespace={Namespace} Name={Name} Kind={Kind} Error={Error}"
    )]
    private partial void LogUnreadable(string @namespace, string name, string kind, string error);
}

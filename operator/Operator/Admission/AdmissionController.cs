using System.Text.Json;
using Bursar.Core.Text;
using Bursar.Kube.Client;
using Bursar.Kube.Informers;
using Bursar.Operator.Api;
using Bursar.Operator.Control;
using Bursar.Operator.Kinds;
using Bursar.Operator.Owners;
using Bursar.Operator.Workloads;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Admission;

/// <summary>
/// Answers the API server's questions about new work, from this replica's caches alone: it asks nobody and writes nothing, so any
/// replica may answer, and a dry run is answered like any request. Nothing is ever refused. What it cannot read goes through as it is.
/// </summary>
public sealed partial class AdmissionController(ClusterStores stores, Func<bool> ready, BudgetBoard board, string ownNamespace, TimeProvider time, ILogger<AdmissionController> logger)
{
    private static readonly AdmissionVerdict _untouched = new(false, []);

    public AdmissionResponse Review(AdmissionRequest request)
    {
        var uid = request.Uid ?? "";
        if (ReadWork(request) is not { } work) return new() { Uid = uid };
        // Asked again after another webhook: it is judged as it was before the first answer.
        var marked = HeldMark.IsHeld(work);
        var (patch, warnings) = Answer(marked ? work with { Switch = HeldMark.OriginalOf(work) } : work, marked);
        var json = patch.Count == 0 ? null : KubePatch.Json([.. patch]).Body.ToArray();
        return new() { Uid = uid, Patch = json, PatchType = json is null ? null : "JSONPatch", Warnings = warnings.Count == 0 ? null : warnings };
    }

    /// <summary>Work that Kueue queues is made suspended, and started, by Kueue.</summary>
    public static bool IsQueued(Work work, ClusterStores stores) => work.Metadata.Labels.ContainsKey(KueueOwner.QueueLabel) || OwnerKinds.Of(work, stores) is not null;

    private (IReadOnlyList<PatchOperation> Patch, IReadOnlyList<string> Warnings) Answer(Work work, bool marked)
    {
        var queued = IsQueued(work, stores);
        var verdict = queued || work.IsStopped || !work.HasGpus || IsPart(work) ? _untouched : Judge(work);
        if (verdict.Hold == marked) return ([], verdict.Warnings);
        return (verdict.Hold ? [.. HeldMark.Hold(work)] : queued ? [HeldMark.Erase()] : [.. HeldMark.LetGo(work)], verdict.Warnings);
    }

    private AdmissionVerdict Judge(Work work)
    {
        // The caches are being read: the leader holds it after it was made.
        if (!ready()) return _untouched;
        var labels = work.Labels;
        var budgets = new List<AskedBudget>();
        foreach (var budget in stores.Budgets.Store.ByIndex(Indexes.Namespace, work.Namespace).OrderBy(b => b.Metadata.Name, StringComparer.Ordinal))
        {
            var errors = GpuBudgetReader.Read(budget, out var terms, out var selector, out var exempt);
            // Whether a budget with a selector that cannot be read means this work, nobody knows.
            if (errors.Count > 0 && !GpuBudgetReader.TryReadSelector(budget, out selector) || !selector.Matches(labels)) continue;
            budgets.Add(new(budget.Metadata.Name, errors.Count > 0 ? null : terms, exempt?.Matches(labels) == true, board.FiguresOf(budget)));
        }
        if (budgets.Count == 0) return _untouched;
        var asked = new AskedWork(work.Kind.Name, work.Gpus, board.PriceOf(work), work.TerminationGrace, Parkability.WhyNot(work, stores));
        return AdmissionRule.Judge(asked, budgets, ControlSwitch.IsObserve(stores.Control.Store.Get(ownNamespace, ControlSwitch.Name)), time.GetUtcNow());
    }

    /// <summary>Made by a controller for an object of its own, which is the workload then. Only a CronJob's runs are each their own.</summary>
    private static bool IsPart(Work work) => work.Metadata.ControllerReference() is { Kind: not "CronJob" };

    /// <summary>Null where it is no work that a webhook could suspend.</summary>
    private Work? ReadWork(AdmissionRequest request)
    {
        if (request is not { Operation: "CREATE", SubResource: null or "", Kind: { Kind: { } name } kind, Object: { ValueKind: JsonValueKind.Object } json }) return null;
        if (WorkKinds.Of(name) is not { Suspends: true } known || known.Entity.Group != kind.Group || known.Entity.Version != kind.Version) return null;
        try
        {
            return known.Parse(json) is { } work ? stores.Gpus.Complete(work with { Metadata = work.Metadata with { Namespace = request.Namespace } }) : null;
        }
        catch (JsonException odd)
        {
            LogOdd(request.Namespace ?? "", request.Name ?? "", name, odd.Message);
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "New work that cannot be read is let through: namespace={namespace} name={name} kind={kind} error={error}")]
    private partial void LogOdd(string @namespace, string name, string kind, string error);
}

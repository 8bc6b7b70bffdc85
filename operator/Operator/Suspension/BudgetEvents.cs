using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Suspension;

/// <summary>The Events of a decision, on the budget and on the workload, with the amounts.</summary>
internal sealed class BudgetEvents(EventRecorder recorder)
{
    public const string Suspended = "Suspended";

    /// <summary>
    /// Publishes that a workload is resumed, or stays suspended by other budgets, because its budget no longer suspends it. The budget is
    /// null if it no longer exists.
    /// </summary>
    public void Restored(SuspensionRecord record, BudgetObject? budget, string sentence, bool isStillSuspended)
    {
        var workload = new WorkloadKey(record.Namespace, record.Kind, record.Name, record.Uid);
        var (reason, key) = (
            isStillSuspended ? Reasons.SuspendedByOtherBudget : "Resumed",
            $"{record.BudgetUid}/released/{record.Since.ToUnixTimeSeconds()}"
        );
        if (budget is not null)
            Both(budget, workload, sentence, reason, nameof(ActionKind.Resume), KubeEvent.Normal, key);
        else
            Publish(ReferenceTo(workload), null, KubeEvent.Normal, reason, nameof(ActionKind.Resume), sentence, key);
    }

    /// <summary>Publishes that a checkpoint was requested, or that the request was withdrawn.</summary>
    public void CheckpointRequested(BudgetObject budget, BudgetAction action) =>
        Both(
            budget,
            action,
            action.Kind == ActionKind.RequestCheckpoint ? Reasons.CheckpointRequested : Reasons.CheckpointWithdrawn,
            action.Kind == ActionKind.RequestCheckpoint ? KubeEvent.Warning : KubeEvent.Normal,
            action.CheckpointId ?? ""
        );

    public void Acted(BudgetObject budget, BudgetAction action, string windowKey)
    {
        var (verb, type) =
            action.Kind == ActionKind.Suspend
                ? (
                    action.IsSuspendedByOtherBudget ? Reasons.SuspendedByOtherBudget
                    : action.IsAgain ? Reasons.SuspendedAgain
                    : WorkloadKinds.Find(action.Workload.Kind) is { Serves: true } ? "ScaledToZero"
                    : Suspended,
                    KubeEvent.Warning
                )
                : ("Resumed", KubeEvent.Normal);
        Publish(budget, action, windowKey, verb, type);
    }

    /// <summary>Publishes that a budget resumes a workload that stays suspended by others.</summary>
    public void Agreed(BudgetObject budget, BudgetAction action, string windowKey) =>
        Publish(budget, action, windowKey, Reasons.SuspendedByOtherBudget, KubeEvent.Normal);

    private void Publish(BudgetObject budget, BudgetAction action, string windowKey, string verb, string type)
    {
        // The key contains the time of the suspension, so a second suspension in one window is a new Event and not a repeat.
        var key = $"{windowKey}/{action.Reason}/{action.Suspension?.Reverted.Count ?? 0}/{action.Suspension?.Since.ToUnixTimeSeconds()}";
        Both(budget, action, verb, type, key);
    }

    private void Both(BudgetObject budget, BudgetAction action, string verb, string type, string key) =>
        Both(budget, action.Workload, action.Sentence, verb, action.Kind.ToString(), type, key);

    private void Both(BudgetObject budget, WorkloadKey workload, string sentence, string reason, string action, string type, string key)
    {
        var work = ReferenceTo(workload);
        var self = V1ObjectReference.To(budget.Whole);
        // Several budgets may report the same about a workload in the same second.
        Publish(work, self, type, reason, action, sentence, $"{budget.Metadata.Uid}/{key}");
        var note = $"{workload.DisplayName(budget.Metadata.Namespace ?? "")}: {WithoutVerb(reason, sentence)}";
        Publish(self, work, type, reason, action, note, $"{workload.Uid}/{KeyOf(budget, key)}");
    }

    /// <summary>Distinguishes the Events of the limits inside a budget, which are all on the budget.</summary>
    private static string KeyOf(BudgetObject budget, string key) => budget.LimitName is { } limit ? $"{limit}/{key}" : key;

    /// <summary>Removes the leading verb of a sentence if the Event's reason already contains it.</summary>
    private static string WithoutVerb(string reason, string sentence)
    {
        if (reason is Suspended && sentence.StartsWith("Suspended: ", StringComparison.Ordinal))
            return sentence["Suspended: ".Length..];
        if (reason is Reasons.SuspendedAgain && sentence.StartsWith("Suspended again: ", StringComparison.Ordinal))
            return sentence["Suspended again: ".Length..];
        if (reason is not "Resumed")
            return sentence;
        if (sentence.StartsWith("Resumed: ", StringComparison.Ordinal))
            return sentence["Resumed: ".Length..];
        // The cause is in brackets after the verb.
        return
            sentence.StartsWith("Resumed (", StringComparison.Ordinal)
            && sentence.IndexOf("): ", StringComparison.Ordinal) is > 0 and var end
            ? $"{sentence["Resumed (".Length..end]}: {sentence[(end + 3)..]}"
            : sentence;
    }

    private static V1ObjectReference ReferenceTo(WorkloadKey workload) =>
        new()
        {
            ApiVersion = WorkloadKinds.Find(workload.Kind)?.Entity.ApiVersion ?? "v1",
            Kind = WorkloadKey.ObjectKindOf(workload.Kind),
            Namespace = workload.Namespace,
            Name = workload.Name,
            Uid = workload.Uid,
        };

    public void CronJobSuspended(BudgetObject budget, SuspensionRecord run, ObjectRef cronJob) =>
        OfCronJob(
            budget,
            run,
            cronJob,
            Suspended,
            Messages.CronJobSuspended(
                cronJob,
                $"{run.Kind} {run.Name}",
                BudgetSnapshot.DisplayNameOf(budget.Metadata.Name, budget is V1Alpha1ClusterGpuBudget)
            )
        );

    public void CronJobResumed(BudgetObject budget, SuspensionRecord run, ObjectRef cronJob) =>
        OfCronJob(budget, run, cronJob, "Resumed", Messages.CronJobResumed(cronJob, $"{run.Kind} {run.Name}"));

    /// <summary>Publishes an announcement on the budget, and on each workload that it names or concerns.</summary>
    public void Announced(BudgetObject budget, Announcement announcement)
    {
        var (self, type) = (V1ObjectReference.To(budget.Whole), announcement.Warning ? KubeEvent.Warning : KubeEvent.Normal);
        if (announcement.Workload is { } workload)
            Both(budget, workload, announcement.Sentence, announcement.Reason, "Announce", type, announcement.Key);
        else
            Publish(self, null, type, announcement.Reason, "Announce", announcement.Sentence, KeyOf(budget, announcement.Key));
        var key = $"{budget.Metadata.Uid}/{announcement.Key}";
        foreach (var work in announcement.About)
            Publish(ReferenceTo(work), self, type, announcement.Reason, "Announce", announcement.Sentence, key);
    }

    public void Refused(BudgetObject budget, string message) =>
        Publish(
            V1ObjectReference.To(budget.Whole),
            null,
            KubeEvent.Warning,
            Reasons.InvalidSpec,
            "Validate",
            message,
            budget.Metadata.Generation.ToString(System.Globalization.CultureInfo.InvariantCulture)
        );

    private void OfCronJob(BudgetObject budget, SuspensionRecord run, ObjectRef cronJob, string reason, string note) =>
        Publish(
            new()
            {
                ApiVersion = V1CronJob.EntityKind.ApiVersion,
                Kind = cronJob.Kind,
                Namespace = run.Namespace,
                Name = cronJob.Name,
                Uid = cronJob.Uid,
            },
            V1ObjectReference.To(budget.Whole),
            KubeEvent.Normal,
            reason,
            reason == Suspended ? nameof(ActionKind.Suspend) : nameof(ActionKind.Resume),
            note,
            $"{run.Uid}/{run.Since.ToUnixTimeSeconds()}"
        );

    private void Publish(
        V1ObjectReference regarding,
        V1ObjectReference? related,
        string type,
        string reason,
        string action,
        string note,
        string key
    ) =>
        recorder.Publish(
            new()
            {
                Regarding = regarding,
                Related = related,
                Type = type,
                Reason = reason,
                Action = action,
                Note = note,
                Key = key,
            }
        );
}

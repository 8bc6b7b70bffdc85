using System.Globalization;

namespace Bursar.Sandbox.Controllers;

/// <summary>
/// The semantics of batch/v1 Job, as a pure function of the Job, its pods and the moment: completions and indexes,
/// parallelism, back-off, deadline, failure policy, suspension, and the tracking finalizer that makes the counting exact.
/// </summary>
internal sealed class JobPlanner
{
    public const string TrackingFinalizer = "batch.kubernetes.io/job-tracking";
    public const string IndexKey = "batch.kubernetes.io/job-completion-index";
    public const string ControllerUidLabel = "batch.kubernetes.io/controller-uid";
    public const string JobNameLabel = "batch.kubernetes.io/job-name";
    public const string OwnName = "kubernetes.io/job-controller";

    private static readonly TimeSpan FirstBackoff = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestBackoff = TimeSpan.FromMinutes(10);

    private readonly ControlledJob _job;
    private readonly IReadOnlyList<ControlledPod> _pods;
    private readonly DateTimeOffset _now;
    private readonly List<ControllerEvent> _events = [];
    private List<ControllerCondition> _conditions;
    private DateTimeOffset? _again;

    private JobPlanner(ControlledJob job, IReadOnlyList<ControlledPod> pods, DateTimeOffset now)
    {
        _job = job;
        // By name, so that a plan does not hang on the order of a list.
        _pods = [.. pods.OrderBy(pod => pod.Metadata.CreationTimestamp).ThenBy(pod => pod.Metadata.Name, StringComparer.Ordinal)];
        _now = now;
        _conditions = [.. job.Status.Conditions];
    }

    /// <param name="job">The Job as it stands.</param>
    /// <param name="pods">All pods it controls.</param>
    /// <param name="failJob">The message of a FailJob rule that a pod matched before it was gone.</param>
    /// <param name="now">The moment.</param>
    public static JobPlan Plan(ControlledJob job, IReadOnlyList<ControlledPod> pods, string? failJob, DateTimeOffset now)
    {
        if (job.Spec.ManagedBy is { } manager && manager != OwnName)
            return JobPlan.Nothing;
        var planner = new JobPlanner(job, pods, now);
        if (job.Metadata.DeletionTimestamp is not null)
            return JobPlan.Nothing with { Release = planner.Tracked() };
        return job.IsFinished ? planner.AfterTheEnd() : planner.Plan(failJob);
    }

    public static int? IndexOf(ControlledPod pod) =>
        pod.Metadata.Annotations.TryGetValue(IndexKey, out var text)
        && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            ? index
            : null;

    private static bool IsTracked(ControlledPod pod) => pod.Metadata.Finalizers.Contains(TrackingFinalizer);

    private List<ControlledPod> Tracked() => [.. _pods.Where(IsTracked)];

    private JobPlan AfterTheEnd()
    {
        var plan = JobPlan.Nothing with { Release = Tracked() };
        if (_job.Spec.TtlSecondsAfterFinished is not { } ttl)
            return plan;
        var finished = _job.Status.Conditions.First(c => c.Type is "Complete" or "Failed" && c.Status == "True").LastTransitionTime ?? _now;
        var due = finished.AddSeconds(ttl);
        return due <= _now ? plan with { DeleteJob = true } : plan with { Again = due - _now };
    }

    private JobPlan Plan(string? failJob)
    {
        var status = _job.Status;
        var suspended = _job.Spec.Suspend == true;
        var start = status.StartTime ?? (suspended ? null : _now);

        // 1. What ended since the last time.
        var ended = Uncounted();
        var succeeded = status.Succeeded + ended.Succeeded.Count;
        var failed = status.Failed + ended.Failed.Count;
        var completed = CompletionIndexes.Parse(status.CompletedIndexes);
        if (_job.IsIndexed)
        {
            foreach (var pod in _pods)
            {
                if (ended.Succeeded.Contains(pod.Metadata.Uid) && IndexOf(pod) is { } index && index < _job.Spec.Completions)
                    completed.Add(index);
            }

            succeeded = completed.Count;
        }

        var release = _pods.Where(pod => IsTracked(pod) && (IsIgnored(pod) || ended.Succeeded.Contains(pod.Metadata.Uid) || ended.Failed.Contains(pod.Metadata.Uid))).ToList();
        var active = _pods.Where(static pod => pod.IsActive).ToList();
        var terminating = _pods.Count(static pod => pod.IsTerminating && !pod.IsFinished);

        // 2. Whether that is the end.
        var target = _conditions.FirstOrDefault(c => c.Type == "FailureTarget" && c.Status == "True");
        var verdict = target is not null
            ? (target.Reason!, target.Message!)
            : Failure(failJob, failed, start, suspended);
        var success = verdict is null && (status.Is("SuccessCriteriaMet") || HasAllCompletions(succeeded, active.Count));
        if (verdict is not null || success)
        {
            if (verdict is { } failure)
                Set("FailureTarget", "True", failure.Reason, failure.Message);
            else
                Set("SuccessCriteriaMet", "True", "CompletionsReached", "Reached expected number of succeeded pods");

            // The final condition waits until no pod works any more.
            var over = active.Count == 0 && terminating == 0;
            if (over && verdict is { } final)
            {
                Set("Failed", "True", final.Reason, final.Message);
                _events.Add(new ControllerEvent("Warning", final.Reason, "Failed", final.Message));
            }
            else if (over)
            {
                Set("Complete", "True", "CompletionsReached", "Reached expected number of succeeded pods");
                _events.Add(new ControllerEvent("Normal", "Completed", "Completed", "Job completed"));
            }

            var endOfAll = Finish(ended, release, active, [], start, succeeded, failed, completed, 0, terminating + active.Count, 0);
            return over && verdict is null ? endOfAll with { Status = endOfAll.Status! with { CompletionTime = _now } } : endOfAll;
        }

        // 3. Suspension and its end.
        if (suspended)
        {
            if (!status.Is("Suspended"))
            {
                Set("Suspended", "True", "JobSuspended", "Job suspended");
                _events.Add(new ControllerEvent("Normal", "Suspended", "Suspended", "Job suspended"));
            }

            return Finish(ended, release, active, [], start, succeeded, failed, completed, 0, terminating + active.Count, 0);
        }

        if (status.Is("Suspended"))
        {
            Set("Suspended", "False", "JobResumed", "Job resumed");
            _events.Add(new ControllerEvent("Normal", "Resumed", "Resumed", "Job resumed"));
            start = _now;
        }

        if (_job.Spec.ActiveDeadlineSeconds is { } seconds)
            Again(start!.Value.AddSeconds(seconds));

        // 4. As many pods as should be.
        var (create, delete) = Balance(active, terminating, succeeded, completed);
        if (create.Count > 0 && NextAttempt() is { } attempt && attempt > _now)
        {
            Again(attempt);
            create = [];
        }

        return Finish(ended, release, delete, create, start, succeeded, failed, completed,
            active.Count - delete.Count + create.Count, terminating + delete.Count, active.Except(delete).Count(static pod => pod.IsReady));
    }

    private JobPlan Finish(
        UncountedPods ended,
        List<ControlledPod> release,
        List<ControlledPod> delete,
        List<int?> create,
        DateTimeOffset? start,
        int succeeded,
        int failed,
        SortedSet<int> completed,
        int active,
        int terminating,
        int ready)
    {
        var status = _job.Status with
        {
            StartTime = start,
            Active = active,
            Ready = ready,
            Terminating = terminating,
            Succeeded = succeeded,
            Failed = failed,
            CompletedIndexes = _job.IsIndexed && completed.Count > 0 ? CompletionIndexes.Format(completed) : null,
            UncountedTerminatedPods = new UncountedPods(),
            Conditions = _conditions,
        };
        return new JobPlan
        {
            Uncounted = ended.IsEmpty ? null : ended,
            Release = release,
            Delete = delete,
            Create = create,
            Status = status,
            Events = _events,
            Again = _again - _now,
        };
    }

    /// <summary>Pods that ended and are in no counter yet: written down before, or still with their finalizer.</summary>
    private UncountedPods Uncounted()
    {
        var succeeded = new List<string>(_job.Status.UncountedTerminatedPods.Succeeded);
        var failed = new List<string>(_job.Status.UncountedTerminatedPods.Failed);
        // A pod being deleted fails in the end; only with this policy is it replaced (and counted) no sooner than then.
        var onlyWhenFailed = _job.Spec.PodReplacementPolicy == "Failed" || _job.Spec.PodFailurePolicy is not null;
        foreach (var pod in _pods.Where(IsTracked))
        {
            if (succeeded.Contains(pod.Metadata.Uid) || failed.Contains(pod.Metadata.Uid))
                continue;
            if (pod.HasSucceeded)
                succeeded.Add(pod.Metadata.Uid);
            else if (IsIgnored(pod))
                continue;
            else if (pod.HasFailed || (pod.IsTerminating && !onlyWhenFailed))
                failed.Add(pod.Metadata.Uid);
        }

        return new UncountedPods { Succeeded = succeeded, Failed = failed };
    }

    private (string Reason, string Message)? Failure(string? failJob, int failed, DateTimeOffset? start, bool suspended)
    {
        if (failJob is not null)
            return ("PodFailurePolicy", failJob);
        foreach (var pod in _pods)
        {
            if (PodFailureRules.Judge(_job.Spec.PodFailurePolicy, pod) is { Action: PodFailureRules.FailJob } judged)
                return ("PodFailurePolicy", judged.Message);
        }

        // Failures that the policy ignores are never counted; restarts inside a pod count as failures of their own.
        var restarts = _pods.Where(static pod => pod.Spec.RestartPolicy == "OnFailure" && !pod.IsFinished)
            .Sum(static pod => pod.Status.ContainerStatuses.Sum(static container => container.RestartCount));
        if (failed > BackoffLimit || (restarts > 0 && restarts >= Math.Max(1, BackoffLimit)))
            return ("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        if (!suspended && start is { } since && _job.Spec.ActiveDeadlineSeconds is { } seconds && since.AddSeconds(seconds) <= _now)
            return ("DeadlineExceeded", "Job was active longer than specified deadline");
        return null;
    }

    private int BackoffLimit => _job.Spec.BackoffLimit ?? 6;

    private bool IsIgnored(ControlledPod pod) =>
        PodFailureRules.Judge(_job.Spec.PodFailurePolicy, pod) is { Action: PodFailureRules.Ignore };

    private bool HasAllCompletions(int succeeded, int active) =>
        _job.Spec.Completions is { } completions ? succeeded >= completions : succeeded > 0 && active == 0;

    private (List<int?> Create, List<ControlledPod> Delete) Balance(List<ControlledPod> active, int terminating, int succeeded, SortedSet<int> completed)
    {
        var parallelism = _job.Spec.Parallelism ?? 1;
        var delete = new List<ControlledPod>();
        var create = new List<int?>();
        if (_job.IsIndexed)
        {
            var taken = new HashSet<int>(completed);
            foreach (var pod in active)
            {
                // A second pod for an index, or one beyond the completions, is one too many.
                if (IndexOf(pod) is not { } index || index >= _job.Spec.Completions || !taken.Add(index))
                    delete.Add(pod);
            }

            var running = active.Count - delete.Count;
            for (var index = 0; index < (_job.Spec.Completions ?? 0) && running + create.Count < parallelism; index++)
            {
                if (taken.Add(index))
                    create.Add(index);
            }

            delete.AddRange(TooMany(active.Except(delete).ToList(), running - parallelism));
            return (create, delete);
        }

        var wanted = _job.Spec.Completions is { } completions
            ? Math.Min(parallelism, Math.Max(0, completions - succeeded))
            : succeeded > 0 ? Math.Min(parallelism, active.Count) : parallelism;
        var waiting = _job.Spec.PodReplacementPolicy == "Failed" || _job.Spec.PodFailurePolicy is not null ? terminating : 0;
        for (var i = active.Count + waiting; i < wanted; i++)
            create.Add(null);
        delete.AddRange(TooMany(active, active.Count - wanted));
        return (create, delete);
    }

    /// <summary>Whom to let go first: unbound, then not ready, then the youngest.</summary>
    private static IEnumerable<ControlledPod> TooMany(List<ControlledPod> active, int count) =>
        count <= 0
            ? []
            : active.OrderBy(static pod => pod.Spec.NodeName is not null)
                .ThenBy(static pod => pod.IsReady)
                .ThenByDescending(static pod => pod.Metadata.CreationTimestamp)
                .ThenByDescending(static pod => pod.Metadata.Name, StringComparer.Ordinal)
                .Take(count);

    /// <summary>After failures in a row a new pod waits 10 s, 20 s, 40 s, … up to ten minutes from the last failure.</summary>
    private DateTimeOffset? NextAttempt()
    {
        var lastSuccess = _pods.Where(static pod => pod.HasSucceeded).Max(static pod => pod.FinishedAt);
        var failures = _pods
            .Where(pod => pod.HasFailed && !IsIgnored(pod))
            // A pod that lost its finalizer while it was active was let go by a suspension: that is no failure.
            .Where(static pod => !pod.IsTerminating || IsTracked(pod))
            .Select(pod => pod.FinishedAt ?? pod.Metadata.DeletionTimestamp ?? _now)
            .Where(at => lastSuccess is null || at > lastSuccess)
            .ToList();
        if (failures.Count == 0)
            return null;
        var delay = FirstBackoff * Math.Pow(2, Math.Min(failures.Count - 1, 10));
        return failures.Max() + (delay < LongestBackoff ? delay : LongestBackoff);
    }

    private void Again(DateTimeOffset at)
    {
        if (_again is null || at < _again)
            _again = at;
    }

    private void Set(string type, string status, string reason, string message) =>
        _conditions = ConditionList.Set(_conditions, type, status, reason, message, _now);
}

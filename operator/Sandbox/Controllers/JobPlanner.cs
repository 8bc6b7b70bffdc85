using System.Globalization;

namespace Bursar.Sandbox.Controllers;

/// <summary>
/// The semantics of batch/v1 Job as a pure function of the Job, its pods and the time: completions and indexes, parallelism, back-off of
/// the Job or of each index, deadline, failure and success policy, suspension, and the tracking finalizer that makes counting exact.
/// Source: job_controller.go of Kubernetes 1.36.
/// </summary>
internal sealed class JobPlanner
{
    public const string TrackingFinalizer = "batch.kubernetes.io/job-tracking";
    public const string IndexKey = "batch.kubernetes.io/job-completion-index";
    public const string FailuresKey = "batch.kubernetes.io/job-index-failure-count";
    public const string IgnoredFailuresKey = "batch.kubernetes.io/job-index-ignored-failure-count";
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
        // Sort by name, so that a plan does not depend on the order of the list.
        _pods = [.. pods.OrderBy(pod => pod.Metadata.CreationTimestamp).ThenBy(pod => pod.Metadata.Name, StringComparer.Ordinal)];
        _now = now;
        _conditions = [.. job.Status.Conditions];
    }

    /// <param name="job">The Job.</param>
    /// <param name="pods">All pods that it controls.</param>
    /// <param name="failJob">The message of a FailJob rule that a deleted pod matched; else null.</param>
    /// <param name="now">The current time.</param>
    public static JobPlan Plan(ControlledJob job, IReadOnlyList<ControlledPod> pods, string? failJob, DateTimeOffset now)
    {
        if (job.Spec.ManagedBy is { } manager && manager != OwnName)
            return JobPlan.Nothing;
        var planner = new JobPlanner(job, pods, now);
        if (job.Metadata.DeletionTimestamp is not null)
            return JobPlan.Nothing with { Release = planner.Tracked() };
        return job.IsFinished ? planner.AfterTheEnd() : planner.Plan(failJob);
    }

    public static int? IndexOf(ControlledPod pod) => Number(pod, IndexKey);

    private static int? Number(ControlledPod pod, string annotation) =>
        pod.Metadata.Annotations.TryGetValue(annotation, out var text)
        && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
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

        // 1. Pods that ended since the last pass.
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

        var active = _pods.Where(static pod => pod.IsActive).ToList();
        var terminating = _pods.Count(static pod => pod.IsTerminating && !pod.IsFinished);
        var failedIndexes = FailedIndexes(ended);

        // 2. Success or failure of the Job.
        var met = Condition("SuccessCriteriaMet");
        var target = met is null ? Condition("FailureTarget") : null;
        var failure =
            met is not null ? null
            : target is not null ? (target.Reason!, target.Message!)
            : Failure(failJob, failed, start, suspended) ?? FailureOfIndexes(failedIndexes.Count, completed.Count);
        var success =
            failure is not null ? null
            : met is not null ? (met.Reason!, met.Message!)
            : MetRule(completed) ?? AllCompletions(succeeded, active.Count);
        if ((failure ?? success) is { } end)
        {
            Set(failure is null ? "SuccessCriteriaMet" : "FailureTarget", "True", end.Reason, end.Message);
            if (failure is not null)
            {
                // Pods deleted by a failing Job count as failed, pods deleted by a succeeding Job do not.
                var stopped = Tracked()
                    .Where(pod => IndexIsValid(pod) && !IsIgnored(pod))
                    .Select(static pod => pod.Metadata.Uid)
                    .Except(ended.Succeeded)
                    .Except(ended.Failed)
                    .ToList();
                failed += stopped.Count;
                ended = ended with { Failed = [.. ended.Failed, .. stopped] };
            }

            // The final condition is set when no pod is active or terminating.
            var over = active.Count == 0 && terminating == 0;
            if (over && failure is not null)
            {
                Set("Failed", "True", end.Reason, end.Message);
                _events.Add(new ControllerEvent("Warning", end.Reason, "Failed", end.Message));
            }
            else if (over)
            {
                Set("Complete", "True", end.Reason, end.Message);
                _events.Add(new ControllerEvent("Normal", "Completed", "Completed", "Job completed"));
            }

            var endOfAll = Finish(
                ended,
                [.. Tracked().Except(active)],
                active,
                [],
                start,
                succeeded,
                failed,
                completed,
                failedIndexes,
                0,
                terminating + active.Count,
                0
            );
            return over && failure is null ? endOfAll with { Status = endOfAll.Status! with { CompletionTime = _now } } : endOfAll;
        }

        // The latest failed pod of an index keeps its finalizer and is not counted until its replacement has its number of failures.
        var latest = LatestFailures(active, completed, failedIndexes);
        var kept = latest.Values.Select(static pod => pod.Metadata.Uid).ToHashSet(StringComparer.Ordinal);
        failed -= ended.Failed.Count(kept.Contains);
        ended = ended with { Failed = [.. ended.Failed.Where(uid => !kept.Contains(uid))] };
        var release = _pods
            .Where(pod =>
                IsTracked(pod)
                && !kept.Contains(pod.Metadata.Uid)
                && (IsIgnored(pod) || ended.Succeeded.Contains(pod.Metadata.Uid) || ended.Failed.Contains(pod.Metadata.Uid))
            )
            .ToList();

        // 3. Suspend or resume.
        if (suspended)
        {
            if (!status.Is("Suspended"))
            {
                Set("Suspended", "True", "JobSuspended", "Job suspended");
                _events.Add(new ControllerEvent("Normal", "Suspended", "Suspended", "Job suspended"));
            }

            return Finish(ended, release, active, [], start, succeeded, failed, completed, failedIndexes, 0, terminating + active.Count, 0);
        }

        if (status.Is("Suspended"))
        {
            Set("Suspended", "False", "JobResumed", "Job resumed");
            _events.Add(new ControllerEvent("Normal", "Resumed", "Resumed", "Job resumed"));
            start = _now;
        }

        if (_job.Spec.ActiveDeadlineSeconds is { } seconds)
            Again(start!.Value.AddSeconds(seconds));

        // 4. Create and delete pods.
        var (create, delete) = Balance(active, terminating, succeeded, completed, failedIndexes);
        if (!_job.HasLimitPerIndex && create.Count > 0 && NextAttempt() is { } attempt && attempt > _now)
        {
            Again(attempt);
            create = [];
        }

        var pods = create.Select(index => new PlannedPod(index)).ToList();
        if (_job.HasLimitPerIndex)
            pods = [.. create.Select(index => Replacement(index!.Value, latest.GetValueOrDefault(index.Value))).OfType<PlannedPod>()];
        return Finish(
            ended,
            release,
            delete,
            pods,
            start,
            succeeded,
            failed,
            completed,
            failedIndexes,
            active.Count - delete.Count + pods.Count,
            terminating + delete.Count,
            active.Except(delete).Count(static pod => pod.IsReady)
        );
    }

    private JobPlan Finish(
        UncountedPods ended,
        List<ControlledPod> release,
        List<ControlledPod> delete,
        List<PlannedPod> create,
        DateTimeOffset? start,
        int succeeded,
        int failed,
        SortedSet<int> completed,
        SortedSet<int> failedIndexes,
        int active,
        int terminating,
        int ready
    )
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
            FailedIndexes = _job.HasLimitPerIndex ? CompletionIndexes.Format(failedIndexes) : null,
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

    /// <summary>Returns ended pods that are not in a counter yet: listed in the status, or with their finalizer.</summary>
    private UncountedPods Uncounted()
    {
        var succeeded = new List<string>(_job.Status.UncountedTerminatedPods.Succeeded);
        var failed = new List<string>(_job.Status.UncountedTerminatedPods.Failed);
        foreach (var pod in _pods.Where(IsTracked))
        {
            if (succeeded.Contains(pod.Metadata.Uid) || failed.Contains(pod.Metadata.Uid))
                continue;
            if (pod.HasSucceeded)
                succeeded.Add(pod.Metadata.Uid);
            else if (IsIgnored(pod))
                continue;
            else if (IsFailed(pod))
                failed.Add(pod.Metadata.Uid);
        }

        return new UncountedPods { Succeeded = succeeded, Failed = failed };
    }

    /// <summary>True if a terminating pod is replaced only after it has failed.</summary>
    private bool OnlyWhenFailed => _job.Spec.PodReplacementPolicy == "Failed" || _job.Spec.PodFailurePolicy is not null;

    private bool IsFailed(ControlledPod pod) => pod.HasFailed || (pod.IsTerminating && !pod.HasSucceeded && !OnlyWhenFailed);

    private (string Reason, string Message)? Failure(string? failJob, int failed, DateTimeOffset? start, bool suspended)
    {
        if (failJob is not null)
            return ("PodFailurePolicy", failJob);
        foreach (var pod in _pods)
        {
            if (PodFailureRules.Evaluate(_job.Spec.PodFailurePolicy, pod) is { Action: PodFailureRules.FailJob } judged)
                return ("PodFailurePolicy", judged.Message);
        }

        // Ignored failures are not counted; restarts inside a pod count as failures.
        var restarts = _pods
            .Where(static pod => pod.Spec.RestartPolicy == "OnFailure" && !pod.IsFinished)
            .Sum(static pod => pod.Status.ContainerStatuses.Sum(static container => container.RestartCount));
        if (failed > BackoffLimit || (restarts > 0 && restarts >= Math.Max(1, BackoffLimit)))
            return ("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        if (!suspended && start is { } since && _job.Spec.ActiveDeadlineSeconds is { } seconds && since.AddSeconds(seconds) <= _now)
            return ("DeadlineExceeded", "Job was active longer than specified deadline");
        return null;
    }

    private (string Reason, string Message)? FailureOfIndexes(int failed, int completed) =>
        failed > _job.Spec.MaxFailedIndexes
            ? ("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes")
        : failed > 0 && failed + completed >= _job.Spec.Completions ? ("FailedIndexes", "Job has failed indexes")
        : null;

    /// <summary>Returns the first rule of the success policy that the completed indexes meet; null if none.</summary>
    private (string Reason, string Message)? MetRule(SortedSet<int> completed)
    {
        if (!_job.IsIndexed || completed.Count == 0)
            return null;
        for (var i = 0; i < _job.Spec.SuccessPolicy?.Rules.Count; i++)
        {
            var rule = _job.Spec.SuccessPolicy.Rules[i];
            var wanted = rule.SucceededIndexes is null ? null : CompletionIndexes.Parse(rule.SucceededIndexes);
            wanted?.RemoveWhere(index => index >= _job.Spec.Completions);
            var needed = Math.Min(rule.SucceededCount ?? int.MaxValue, wanted?.Count ?? int.MaxValue);
            if (wanted is not { Count: 0 } && (wanted is null ? completed.Count : completed.Count(wanted.Contains)) >= needed)
                return ("SuccessPolicy", $"Matched rules at index {i}");
        }

        return null;
    }

    /// <summary>Returns the indexes that used up their retries or matched a FailIndex rule.</summary>
    private SortedSet<int> FailedIndexes(UncountedPods ended)
    {
        var failed = CompletionIndexes.Parse(_job.Status.FailedIndexes);
        if (!_job.HasLimitPerIndex)
            return failed;
        foreach (var pod in _pods.Where(pod => ended.Failed.Contains(pod.Metadata.Uid) && IndexIsValid(pod)))
        {
            var givenUp = PodFailureRules.Evaluate(_job.Spec.PodFailurePolicy, pod) is { Action: PodFailureRules.FailIndex };
            if (givenUp || FailuresOf(pod) >= _job.Spec.BackoffLimitPerIndex)
                failed.Add(IndexOf(pod)!.Value);
        }

        return failed;
    }

    /// <summary>Returns the latest failed pod of each index that is retried.</summary>
    private Dictionary<int, ControlledPod> LatestFailures(
        List<ControlledPod> active,
        SortedSet<int> completed,
        SortedSet<int> failedIndexes
    )
    {
        if (!_job.HasLimitPerIndex)
            return [];
        var running = active.Select(IndexOf).ToHashSet();
        return _pods
            .Where(pod => IsTracked(pod) && IsFailed(pod) && IndexIsValid(pod))
            .GroupBy(static pod => IndexOf(pod)!.Value)
            .Where(index => !running.Contains(index.Key) && !completed.Contains(index.Key) && !failedIndexes.Contains(index.Key))
            .ToDictionary(
                static index => index.Key,
                index => index.OrderBy(static pod => FailuresOf(pod) + IgnoredFailuresOf(pod)).ThenBy(EndOf).Last()
            );
    }

    /// <summary>Returns the next pod of an index; null during its back-off (<see cref="NextAttempt"/> is that of a whole Job).</summary>
    private PlannedPod? Replacement(int index, ControlledPod? last)
    {
        if (last is null)
            return new(index, 0);
        var (counted, ignored) = (FailuresOf(last), IgnoredFailuresOf(last));
        var attempt = EndOf(last) + Backoff(counted + ignored + 1);
        if (attempt > _now)
        {
            Again(attempt);
            return null;
        }

        return IsIgnored(last) ? new(index, counted, ignored + 1) : new(index, counted + 1, ignored);
    }

    private static int FailuresOf(ControlledPod pod) => Number(pod, FailuresKey) ?? 0;

    private static int IgnoredFailuresOf(ControlledPod pod) => Number(pod, IgnoredFailuresKey) ?? 0;

    private bool IndexIsValid(ControlledPod pod) => !_job.IsIndexed || IndexOf(pod) < _job.Spec.Completions;

    private DateTimeOffset EndOf(ControlledPod pod) => pod.FinishedAt ?? pod.Metadata.DeletionTimestamp ?? _now;

    private ControllerCondition? Condition(string type) => _conditions.FirstOrDefault(c => c.Type == type && c.Status == "True");

    private int BackoffLimit => _job.Spec.BackoffLimit ?? 6;

    private bool IsIgnored(ControlledPod pod) =>
        PodFailureRules.Evaluate(_job.Spec.PodFailurePolicy, pod) is { Action: PodFailureRules.Ignore };

    private (string Reason, string Message)? AllCompletions(int succeeded, int active) =>
        (_job.Spec.Completions is { } completions ? succeeded >= completions : succeeded > 0 && active == 0)
            ? ("CompletionsReached", "Reached expected number of succeeded pods")
            : null;

    private (List<int?> Create, List<ControlledPod> Delete) Balance(
        List<ControlledPod> active,
        int terminating,
        int succeeded,
        SortedSet<int> completed,
        SortedSet<int> failedIndexes
    )
    {
        var parallelism = _job.Spec.Parallelism ?? 1;
        var delete = new List<ControlledPod>();
        var create = new List<int?>();
        if (_job.IsIndexed)
        {
            var taken = new HashSet<int>(completed);
            taken.UnionWith(failedIndexes);
            foreach (var pod in active)
            {
                // Delete duplicate pods of an index and pods beyond the completions.
                if (IndexOf(pod) is not { } index || index >= _job.Spec.Completions || !taken.Add(index))
                    delete.Add(pod);
            }

            var running = active.Count - delete.Count;
            var ending = OnlyWhenFailed
                ? _pods.Where(static pod => pod.IsTerminating && !pod.IsFinished).Select(IndexOf).OfType<int>().ToHashSet()
                : [];
            taken.UnionWith(ending);
            for (var index = 0; index < (_job.Spec.Completions ?? 0) && running + ending.Count + create.Count < parallelism; index++)
            {
                if (taken.Add(index))
                    create.Add(index);
            }

            delete.AddRange(Excess(active.Except(delete).ToList(), running - parallelism));
            return (create, delete);
        }

        var wanted =
            _job.Spec.Completions is { } completions ? Math.Min(parallelism, Math.Max(0, completions - succeeded))
            : succeeded > 0 ? Math.Min(parallelism, active.Count)
            : parallelism;
        var waiting = OnlyWhenFailed ? terminating : 0;
        for (var i = active.Count + waiting; i < wanted; i++)
            create.Add(null);
        delete.AddRange(Excess(active, active.Count - wanted));
        return (create, delete);
    }

    /// <summary>Returns the pods to delete: unbound first, then not ready, then the youngest.</summary>
    private static IEnumerable<ControlledPod> Excess(List<ControlledPod> active, int count) =>
        count <= 0
            ? []
            : active
                .OrderBy(static pod => pod.Spec.NodeName is not null)
                .ThenBy(static pod => pod.IsReady)
                .ThenByDescending(static pod => pod.Metadata.CreationTimestamp)
                .ThenByDescending(static pod => pod.Metadata.Name, StringComparer.Ordinal)
                .Take(count);

    /// <summary>
    /// Returns when the next pod may start: 10 s, 20 s, 40 s, … up to ten minutes after the last of several consecutive failures.
    /// </summary>
    private DateTimeOffset? NextAttempt()
    {
        var lastSuccess = _pods.Where(static pod => pod.HasSucceeded).Max(static pod => pod.FinishedAt);
        var failures = _pods
            .Where(pod => pod.HasFailed && !IsIgnored(pod))
            // A terminating pod without its finalizer was deleted by a suspension, which is not a failure.
            .Where(static pod => !pod.IsTerminating || IsTracked(pod))
            .Select(EndOf)
            .Where(at => lastSuccess is null || at > lastSuccess)
            .ToList();
        if (failures.Count == 0)
            return null;
        return failures.Max() + Backoff(failures.Count);
    }

    private static TimeSpan Backoff(int failures)
    {
        var delay = FirstBackoff * Math.Pow(2, Math.Min(failures - 1, 10));
        return delay < LongestBackoff ? delay : LongestBackoff;
    }

    private void Again(DateTimeOffset at)
    {
        if (_again is null || at < _again)
            _again = at;
    }

    private void Set(string type, string status, string reason, string message) =>
        _conditions = ConditionList.Set(_conditions, type, status, reason, message, _now);
}

using System.Globalization;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>The completions of one Job, or of all Jobs that a JobSet creates from one template.</summary>
/// <param name="Total">Total completions.</param>
/// <param name="AtOnce">The parallelism of all the Jobs together.</param>
/// <param name="Template">The pods' template, the same object as that of their <see cref="PodSet"/>.</param>
internal sealed record PieceSet(int Total, int AtOnce, V1PodTemplateSpec Template)
{
    /// <summary>Maximum of completions of an Indexed Job in the API server.</summary>
    private const int MostIndexes = 100_000;

    private const string IndexKey = "batch.kubernetes.io/job-completion-index";

    /// <summary>The Jobs that exist. A JobSet creates those that depend on others later.</summary>
    public IReadOnlyList<V1Job> Jobs { get; init; } = [];

    /// <summary>Pieces of a stage start when those of all lower stages have ended.</summary>
    public int Stage { get; init; }

    /// <summary>Whether they are stopped when the others have ended.</summary>
    public bool Follows { get; init; }

    /// <summary>Whether the workload ends when they have ended, even if others still run.</summary>
    public bool Suffices { get; init; }

    /// <summary>Returns null for a Job with one pod, and for a work-queue Job, whose pods are not completions.</summary>
    public static PieceSet? From(V1Job job) =>
        job.Spec.Completions is > 1 and var completions
            ? new(completions, Math.Max(0, job.Spec.Parallelism ?? 1), job.Spec.Template) { Jobs = [job] }
            : null;

    /// <summary>Returns the completions that a Job's status counts as ended: succeeded, or failed for good.</summary>
    public static int EndedOf(V1JobStatus status) =>
        (int)Math.Clamp((long)(status.Succeeded ?? 0) + IndexRanges.Parse(status.FailedIndexes).Count, 0, int.MaxValue);

    /// <summary>
    /// Counts the pieces by the Jobs' statuses and measures their times by their pods. A pod that was stopped, for example because the
    /// parallelism was lowered, does not count as a piece's time.
    /// </summary>
    /// <param name="pods">The workload's pods, including finished ones.</param>
    /// <param name="gpus">GPUs of one pod.</param>
    /// <param name="ended">The workload's pods that ended by themselves, from the ledger. Read only if the cluster has deleted some.</param>
    /// <param name="held">How long the workload's pods have held GPUs. Read only if no finished pod is known.</param>
    /// <param name="now">The time of the evaluation.</param>
    public Pieces Count(IReadOnlyList<V1Pod> pods, int gpus, Func<IReadOnlyList<EndedPod>> ended, Func<TimeSpan?> held, DateTimeOffset now)
    {
        List<TimeSpan> finished = [],
            failures = [],
            inFlight = [];
        var (over, completed, retried) = (0L, 0L, TimeSpan.Zero);
        EarlySuccess? success = null;
        foreach (var job in Jobs)
        {
            var indexed = job.Spec.CompletionMode == "Indexed";
            var failed = IndexRanges.Parse(job.Status.FailedIndexes);
            var counted = IndexRanges.Parse(job.Status.CompletedIndexes);
            // A pod that is being deleted is replaced and its piece starts again. If it had succeeded, the status counts it.
            var attempts = pods.Where(pod =>
                    pod.Metadata.ControllerReference()?.Uid == job.Metadata.Uid && pod.Metadata.DeletionTimestamp is null
                )
                .Select(pod => Attempt.From(pod, indexed ? IndexOf(pod) : null, now))
                .OfType<Attempt>()
                .ToList();
            if (
                EndedOf(job.Status)
                > attempts
                    .Where(one => one.Succeeded == true || one.Index is { } index && failed.Contains(index))
                    .DistinctBy(one => one.Piece)
                    .Count()
            )
            {
                var present = attempts.Select(one => one.Uid).ToHashSet(StringComparer.Ordinal);
                attempts.InsertRange(
                    0,
                    ended()
                        .Where(pod => !present.Contains(pod.Uid) && !(pod.From < job.Metadata.CreationTimestamp))
                        .Select(pod => Attempt.From(pod, job, indexed))
                        .OfType<Attempt>()
                );
            }
            var (succeeded, running) = (new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal));
            // A Job that was shrunk does not count successes beyond its last index.
            foreach (
                var piece in attempts.Where(one => !(one.Index >= job.Spec.Completions)).GroupBy(one => one.Piece, StringComparer.Ordinal)
            )
            {
                var time = piece.Aggregate(TimeSpan.Zero, (sum, one) => sum + one.Time);
                if (piece.Any(one => one.Succeeded == true))
                {
                    finished.Add(time);
                    if (piece.Any(one => one is { Succeeded: true, IsShown: true }))
                        succeeded.Add(piece.Key);
                }
                // The cache of Jobs can be ahead of the cache of pods, which still shows the pod as running.
                else if (piece.First().Index is { } number && counted.Contains(number))
                    finished.Add(time);
                else if (piece.Any(one => one.Succeeded is null))
                {
                    inFlight.Add(time);
                    running.Add(piece.Key);
                }
                else if (piece.First().Index is { } index && failed.Contains(index))
                    failures.Add(time);
                // Attempts at an index are counted together with the next attempt.
                else if (!indexed)
                    retried += time;
            }
            // A pod ends before its Job's status counts it.
            var successes = Math.Max(job.Status.Succeeded ?? 0, succeeded.Count);
            completed += successes;
            over += (long)successes + failed.Count;
            if (Jobs.Count == 1)
                success = SuccessOf(job, failed, succeeded, running);
        }
        // The times of failed pieces say nothing about the others while none has succeeded.
        if (completed > 0)
            finished.AddRange(failures);
        return new()
        {
            Total = Total,
            Ended = (int)Math.Clamp(over, 0, Total),
            AtOnce = AtOnce,
            Gpus = gpus,
            Finished = finished,
            InFlight = inFlight,
            Retried = retried,
            GpuTime = completed > 0 && finished.Count == 0 ? held() : null,
            Stage = Stage,
            Follows = Follows,
            Suffices = Suffices,
            Success = success,
        };
    }

    /// <summary>Returns the success policy's rule that needs the fewest further successes; null if none can be met.</summary>
    private static EarlySuccess? SuccessOf(V1Job job, IndexRanges failed, HashSet<string> succeeded, HashSet<string> running)
    {
        if (job.Spec is not { SuccessPolicy.Rules: { Count: > 0 } rules, Completions: > 0 and <= MostIndexes and var completions })
            return null;
        var completed = IndexRanges.Parse(job.Status.CompletedIndexes);
        bool Has(int index) => completed.Contains(index) || succeeded.Contains(Key(index));
        var all = Math.Max(job.Status.Succeeded ?? 0, succeeded.Count);
        EarlySuccess? first = null;
        foreach (var rule in rules)
        {
            EarlySuccess? one;
            if (rule.SucceededIndexes is not { Length: > 0 } indexes)
                one = rule.SucceededCount is { } count ? new(Math.Max(0, count - all), all) : null;
            else
            {
                var wanted = IndexRanges.Parse(indexes).Below(completions).ToArray();
                var open = wanted.Where(index => !Has(index) && !failed.Contains(index)).ToArray();
                var done = wanted.Count(Has);
                var needed = Math.Max(0, (rule.SucceededCount ?? wanted.Length) - done);
                if (needed > open.Length)
                    continue;
                // Indexes start in order. If only some are needed, they are the first ones.
                var last = needed == 0 ? -1 : open[needed - 1];
                one = new(
                    needed,
                    done,
                    Enumerable.Range(0, last + 1).Count(index => !Has(index) && !failed.Contains(index) && !running.Contains(Key(index)))
                );
            }
            if (one is not null && (first is null || one.Needed < first.Needed))
                first = one;
        }
        return first;
    }

    /// <param name="Piece">Key of the piece; all attempts at an index are one piece.</param>
    /// <param name="Succeeded">Null while it runs.</param>
    /// <param name="IsShown">Whether its pod still exists in the cluster.</param>
    private sealed record Attempt(string Piece, string Uid, int? Index, TimeSpan Time, bool? Succeeded, bool IsShown)
    {
        private const int RandomPart = 5;
        private const int LongestName = 63;

        public static Attempt? From(V1Pod pod, int? index, DateTimeOffset now)
        {
            if (PodTimes.ScheduledAt(pod) is not { } from)
                return null;
            var to = PodTimes.FinishedAt(pod);
            return new(
                index is { } number ? Key(number) : pod.Metadata.Uid,
                pod.Metadata.Uid,
                index,
                (to ?? now) > from ? (to ?? now) - from : TimeSpan.Zero,
                to is null ? null : pod.Status.Phase == "Succeeded",
                true
            );
        }

        /// <summary>
        /// Parses a pod's name: its Job's name, the index, and a random part. The Job's name is truncated if the whole is too long
        /// (Kubernetes, pkg/controller/job/indexed_job_utils.go). Null for a pod of another Job.
        /// </summary>
        public static Attempt? From(EndedPod pod, V1Job job, bool indexed)
        {
            if (pod.Pod.Length <= RandomPart)
                return null;
            var (name, index) = (pod.Pod[..^RandomPart].TrimEnd('-'), (int?)null);
            if (indexed)
            {
                var dash = name.LastIndexOf('-');
                if (dash < 0 || !int.TryParse(name[(dash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                    return null;
                (name, index) = (name[..dash], number);
            }
            return
                name != job.Metadata.Name
                && !(pod.Pod.Length == LongestName && job.Metadata.Name.StartsWith(name, StringComparison.Ordinal))
                ? null
                : new(index is { } piece ? Key(piece) : pod.Uid, pod.Uid, index, pod.Time, pod.Succeeded, false);
        }
    }

    private static int? IndexOf(V1Pod pod) =>
        pod.Metadata.Annotations.TryGetValue(IndexKey, out var text)
        && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            ? index
            : null;

    private static string Key(int index) => index.ToString(CultureInfo.InvariantCulture);
}

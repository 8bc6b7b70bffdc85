using System.Globalization;
using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

/// <summary>The annotations that users write on a workload or its pod template, and those that Bursar writes.</summary>
public static class BursarAnnotations
{
    public const string ExpectedDuration = "bursar.dev/expected-duration";
    public const string TotalSteps = "bursar.dev/total-steps";
    public const string Progress = "bursar.dev/progress";
    public const string LastCheckpoint = "bursar.dev/last-checkpoint";
    public const string Checkpoint = "bursar.dev/checkpoint";
    public const string Supported = "supported";
    public const string Priority = "bursar.dev/priority";
    public const string Class = "bursar.dev/class";
    public const string Resume = "bursar.dev/resume";
    public const string Series = "bursar.dev/series";
    public const string Approved = "approved";

    /// <summary>On a price book: the generation whose prices the user accepts although they are outside the guard.</summary>
    public const string AcceptGeneration = "bursar.dev/accept-generation";

    /// <summary>
    /// On a budget: the user's order to resume everything and suspend nothing (<see cref="Core.Budgets.ReleaseMark"/>).
    /// </summary>
    public const string Released = "bursar.dev/released";

    /// <summary>Copied from the ledger for people; Bursar never restores its state from it.</summary>
    public const string SuspendedBy = "bursar.dev/suspended-by";

    public const string SuspendedReason = "bursar.dev/suspended-reason";

    /// <summary>The pending checkpoint request: the budget, a slash and the time.</summary>
    public const string CheckpointRequested = "bursar.dev/checkpoint-requested";

    /// <summary>
    /// The name of the user who created a workload, as the webhook sets it: a label in the form of a label's value, and an annotation with the
    /// whole name.
    /// </summary>
    public const string CreatedBy = "bursar.dev/created-by";

    /// <summary>The cost in the budget's window and the expected cost of the whole run, for people, if the budget asks for them.</summary>
    public const string Cost = "bursar.dev/cost";

    public const string ProjectedCost = "bursar.dev/projected-cost";

    /// <summary>Returns the trimmed value on the workload, else on its pod template; null if neither has the annotation.</summary>
    public static string? Read(V1ObjectMeta workload, V1PodTemplateSpec? template, string name) =>
        workload.Annotations.TryGetValue(name, out var value)
        || template is not null && template.Metadata.Annotations.TryGetValue(name, out value)
            ? value.Trim()
            : null;

    public static TimeSpan? ReadDuration(V1ObjectMeta workload, V1PodTemplateSpec? template) =>
        ParseDuration(Read(workload, template, ExpectedDuration));

    public static long? ReadTotalSteps(V1ObjectMeta workload, V1PodTemplateSpec? template) =>
        ParseSteps(Read(workload, template, TotalSteps));

    /// <summary>Reads <c>1200/30000</c>, or <c>1200</c> without the total. Null if it is absent or invalid.</summary>
    public static (long Step, long? Total)? ReadProgress(V1ObjectMeta workload, V1PodTemplateSpec? template) =>
        ParseProgress(Read(workload, template, Progress));

    public static DateTimeOffset? ReadLastCheckpoint(V1ObjectMeta workload, V1PodTemplateSpec? template) =>
        ParseTime(Read(workload, template, LastCheckpoint));

    public static int ReadPriority(V1ObjectMeta workload, V1PodTemplateSpec? template) =>
        ParsePriority(Read(workload, template, Priority)) ?? 0;

    /// <summary>Returns a message about the first invalid annotation about a run's duration; null if there is none.</summary>
    public static string? UnreadableLength(V1ObjectMeta workload, V1PodTemplateSpec? template)
    {
        foreach (var name in (ReadOnlySpan<string>)[ExpectedDuration, TotalSteps, Progress])
            if (
                Read(workload, template, name) is { } text
                && (
                    name == ExpectedDuration ? ParseDuration(text) is null
                    : name == TotalSteps ? ParseSteps(text) is null
                    : ParseProgress(text) is null
                )
            )
                return $"annotation {name} \"{text}\" cannot be read";
        return null;
    }

    public static TimeSpan? ParseDuration(string? text) =>
        GoDuration.TryParse(text, out var duration) && duration > TimeSpan.Zero ? duration : null;

    public static long? ParseSteps(string? text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var steps) && steps > 0 ? steps : null;

    public static (long Step, long? Total)? ParseProgress(string? text)
    {
        if (text is null)
            return null;
        var slash = text.IndexOf('/');
        if (!long.TryParse(slash < 0 ? text : text.AsSpan(0, slash), NumberStyles.None, CultureInfo.InvariantCulture, out var step))
            return null;
        if (slash < 0)
            return (step, null);
        return long.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var total) && total > 0
            ? (step, total)
            : null;
    }

    public static DateTimeOffset? ParseTime(string? text) => text is not null && Rfc3339.TryParse(text, out var time) ? time : null;

    public static int? ParsePriority(string? text) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var priority) ? priority : null;
}

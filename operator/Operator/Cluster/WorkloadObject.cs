using System.Globalization;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>An object of any supported kind in a common shape.</summary>
internal sealed record WorkloadObject
{
    /// <summary>The value of an absent field, in <see cref="Field"/> and in the ledger's records.</summary>
    public const string Absent = "null";

    internal const long LongestDeadline = 100L * 366 * 86400;

    public required WorkloadKind Kind { get; init; }

    public required V1ObjectMeta Metadata { get; init; }

    /// <summary>The current value of the field that suspends it, as JSON; <c>null</c> if absent.</summary>
    public required string Field { get; init; }

    /// <summary>The pointer of the field's parent if that is absent; otherwise null.</summary>
    public string? MissingPart { get; init; }

    /// <summary>Whether it succeeded or failed for good.</summary>
    public bool IsFinished { get; init; }

    /// <summary>When it completed; null if it failed or was stopped, because its duration is then no example for others.</summary>
    public DateTimeOffset? SucceededAt { get; init; }

    /// <summary>When it completed or failed for good and all its pods had ended; null if unknown.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>When its controller last suspended it; null if it is not suspended or unknown.</summary>
    public DateTimeOffset? SuspendedAt { get; init; }

    /// <summary>The remaining work as reported by its own controller.</summary>
    public ReportedProgress? Reported { get; init; }

    /// <summary>Why the object itself cannot be suspended; null if it can.</summary>
    public string? WhyNot
    {
        get => Unreadable ?? field;
        init;
    }

    /// <summary>
    /// Why its pods or its suspend field are unreadable; null if they are readable. An unreadable workload counts as a GPU workload.
    /// </summary>
    public string? Unreadable { get; init; }

    public IReadOnlyList<PodSet> PodSets { get; init; } = [];

    /// <summary>The labels that selectors match if the object has no pod template.</summary>
    public IReadOnlyDictionary<string, string>? OwnLabels { get; init; }

    /// <summary>Its completions; empty if the kind has none.</summary>
    public IReadOnlyList<PieceSet> Pieces { get; init; } = [];

    /// <summary>The parts of a JobSet, to read its Jobs with.</summary>
    public V1Alpha2JobSetSpec? Parts { get; init; }

    /// <summary>
    /// Its controller ends it this long after <see cref="StartTime"/>. Limited to a century, so that it can be added to a time.
    /// </summary>
    public long? ActiveDeadlineSeconds
    {
        get;
        init => field = value is { } seconds ? Math.Clamp(seconds, 0, LongestDeadline) : null;
    }

    /// <summary>When its controller started or resumed it; null if unknown.</summary>
    public DateTimeOffset? StartTime { get; init; }

    public string Namespace => Metadata.Namespace ?? "";

    public ObjectRef Object => Kind.ObjectOf(Metadata.Name, Metadata.Uid);

    public WorkloadKey Key => new(Namespace, Kind.Name, Metadata.Name, Metadata.Uid);

    public WorkloadClass Class => PodWorkload.ClassOf(Kind.Name, Metadata, Template);

    /// <summary>Whether it belongs to another object that Bursar follows, which is the workload then.</summary>
    public bool IsPart => PodWorkload.IsFollowed(Metadata.ControllerReference());

    /// <summary>Whether its field suspends it, set by Bursar or by another client.</summary>
    public bool IsStopped => Field == Kind.Stopped;

    /// <summary>Replicas, for kinds that scale.</summary>
    public int Replicas => int.TryParse(Field, NumberStyles.None, CultureInfo.InvariantCulture, out var replicas) ? replicas : 1;

    /// <summary>Returns its pods at a number of replicas, for kinds that scale.</summary>
    public IReadOnlyList<PodSet> PodSetsAt(int replicas) =>
        [.. PodSets.Select(set => set with { Count = PodSet.Times(replicas, set.PerReplica) })];

    /// <summary>
    /// Other places with annotations for all its pods. The first one with an annotation takes precedence, and each takes precedence over
    /// the pod template.
    /// </summary>
    public IReadOnlyList<InheritedAnnotations> Inherited { get; init; } = [];

    /// <summary>The representative template, with the annotations that it inherits.</summary>
    public V1PodTemplateSpec Template =>
        Inherited.Count == 0
            ? OwnTemplate
            : OwnTemplate with
            {
                Metadata = OwnTemplate.Metadata with
                {
                    Annotations = InheritedAnnotations.Join(Inherited, OwnTemplate.Metadata.Annotations),
                },
            };

    /// <summary>The representative template: the first that requests GPUs, otherwise the first.</summary>
    internal V1PodTemplateSpec OwnTemplate =>
        (PodSets.FirstOrDefault(set => set.Request.IsAny) ?? PodSets.FirstOrDefault())?.Template ?? V1PodTemplateSpec.Empty;

    /// <summary>The loss by a suspension besides processes and their unsaved state, as sentences for users; null if there is none.</summary>
    public string? WhatIsLost =>
        PodSets.Any(set => set.Template.Spec.HasScratch)
            ? string.Join(
                ' ',
                new[]
                {
                    Kind.WhatIsLost,
                    "Files in the emptyDir and ephemeral volumes of its pods are deleted with the pods.",
                }.OfType<string>()
            )
            : Kind.WhatIsLost;

    public bool HasGpus => PodSets.Any(set => set.Request.IsAny);

    public int UnitsOf(PieceSet pieces) =>
        PodSets.FirstOrDefault(set => ReferenceEquals(set.Template, pieces.Template))?.Request.Units ?? 0;

    public int Gpus => PodSet.GpusOf(PodSets);

    /// <summary>The longest grace period of its pods with GPUs.</summary>
    public TimeSpan TerminationGrace =>
        TimeSpan.FromSeconds(
            PodSets
                .Where(set => set.Request.IsAny)
                .Select(set => set.Template.Spec.TerminationGracePeriodSeconds ?? 30)
                .DefaultIfEmpty(30)
                .Max()
        );

    /// <summary>
    /// The labels that selectors match: those of all its pod templates. If templates disagree, one that requests GPUs takes precedence, so
    /// a gang is never split between budgets. Kueue's queue and the creator are labels of the object itself and count too.
    /// </summary>
    public IReadOnlyDictionary<string, string> Labels
    {
        get
        {
            var labels = OwnLabels ?? LabelsOfTemplates;
            if (OwnLabels is null && Metadata.Labels.TryGetValue(KueueAdapter.QueueLabel, out var queue))
                labels = new Dictionary<string, string>(labels, StringComparer.Ordinal) { [KueueAdapter.QueueLabel] = queue };
            return CreatorLabel.With(labels, CreatorLabel.Of(Metadata));
        }
    }

    private IReadOnlyDictionary<string, string> LabelsOfTemplates
    {
        get
        {
            if (PodSets is [var only])
                return only.Template.Metadata.Labels;
            var all = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var set in PodSets.OrderByDescending(set => set.Request.IsAny))
            foreach (var (key, value) in set.Template.Metadata.Labels)
                all.TryAdd(key, value);
            return all;
        }
    }
}

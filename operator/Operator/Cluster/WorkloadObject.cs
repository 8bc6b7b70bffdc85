using System.Globalization;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>An object of any kind of the table, in the one shape that everything else is written for.</summary>
internal sealed record WorkloadObject
{
    /// <summary>Stands for an absent field in <see cref="Field"/> and in the records of the ledger.</summary>
    public const string Absent = "null";

    /// <summary>A century in seconds.</summary>
    internal const long LongestDeadline = 100L * 366 * 86400;

    public required WorkloadKind Kind { get; init; }

    public required V1ObjectMeta Metadata { get; init; }

    /// <summary>The field that stops it, as it stands: JSON, and <c>null</c> where it is absent.</summary>
    public required string Field { get; init; }

    /// <summary>Where the part of the object that holds the field is absent itself, the pointer to that part.</summary>
    public string? MissingPart { get; init; }

    /// <summary>Succeeded or failed for good: it holds nothing and comes back never.</summary>
    public bool IsFinished { get; init; }

    /// <summary>When it was completed, where it was: one that failed or was stopped says nothing of how long such work takes.</summary>
    public DateTimeOffset? SucceededAt { get; init; }

    /// <summary>
    /// When it ended for good, completed or failed: none of its pods runs after this. Null while it is not over or does not say when.
    /// </summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>When its controller last suspended it; null while it is not suspended or does not say when.</summary>
    public DateTimeOffset? SuspendedAt { get; init; }

    /// <summary>What the work's own controller says is left of it.</summary>
    public ReportedProgress? Reported { get; init; }

    /// <summary>What of the object itself stands against suspending it; null when nothing does.</summary>
    public string? WhyNot
    {
        get => Unreadable ?? field;
        init;
    }

    /// <summary>
    /// Why what it runs, or how it is suspended, cannot be read; null when it can. It is counted as GPU work whatever it asks for.
    /// </summary>
    public string? Unreadable { get; init; }

    public IReadOnlyList<PodSet> PodSets { get; init; } = [];

    /// <summary>What selectors are matched against where the object has no pod template of its own.</summary>
    public IReadOnlyDictionary<string, string>? OwnLabels { get; init; }

    /// <summary>The completions it is made of; empty for a kind that has none.</summary>
    public IReadOnlyList<PieceSet> Pieces { get; init; } = [];

    /// <summary>Of a JobSet: its parts, for what its Jobs tell of them.</summary>
    public V1Alpha2JobSetSpec? Parts { get; init; }

    /// <summary>
    /// Its controller ends it so long after <see cref="StartTime"/>, whatever pods it had since. At most a century: a larger number is
    /// written by people who mean none, and is no time that can be added to another.
    /// </summary>
    public long? ActiveDeadlineSeconds
    {
        get;
        init => field = value is { } seconds ? Math.Clamp(seconds, 0, LongestDeadline) : null;
    }

    /// <summary>When its controller began with it, or resumed it; null where it does not say.</summary>
    public DateTimeOffset? StartTime { get; init; }

    public string Namespace => Metadata.Namespace ?? "";

    public ObjectRef Object => Kind.ObjectOf(Metadata.Name, Metadata.Uid);

    public WorkloadKey Key => new(Namespace, Kind.Name, Metadata.Name, Metadata.Uid);

    /// <summary>What it is used for: its owner's word, else its kind's.</summary>
    public WorkloadClass Class => PodWorkload.ClassOf(Kind.Name, Metadata, Template);

    /// <summary>It belongs to another object that Bursar follows: that one is the workload.</summary>
    public bool IsPart => PodWorkload.IsFollowed(Metadata.ControllerReference());

    /// <summary>It was stopped by its switch, by whomever.</summary>
    public bool IsStopped => Field == Kind.Stopped;

    /// <summary>Of kinds that scale.</summary>
    public int Replicas => int.TryParse(Field, NumberStyles.None, CultureInfo.InvariantCulture, out var replicas) ? replicas : 1;

    /// <summary>Of kinds that scale: its pods when it has so many replicas.</summary>
    public IReadOnlyList<PodSet> PodSetsAt(int replicas) =>
        [.. PodSets.Select(set => set with { Count = PodSet.Times(replicas, set.PerReplica) })];

    /// <summary>
    /// Where its user may have put annotations for all its pods beside its own metadata and its pod templates. The first one that has an
    /// annotation counts, and each counts before the pod template.
    /// </summary>
    public IReadOnlyList<InheritedAnnotations> Inherited { get; init; } = [];

    /// <summary>The template that speaks for the whole, with the annotations that it inherits.</summary>
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

    /// <summary>The template that speaks for the whole: the first that asks for GPUs, else the first.</summary>
    internal V1PodTemplateSpec OwnTemplate =>
        (PodSets.FirstOrDefault(set => set.Request.IsAny) ?? PodSets.FirstOrDefault())?.Template ?? V1PodTemplateSpec.Empty;

    /// <summary>
    /// What suspending it takes beyond its processes and what they have not saved, as sentences for people; null where it takes nothing
    /// else.
    /// </summary>
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

    /// <summary>GPUs of one pod of these pieces.</summary>
    public int UnitsOf(PieceSet pieces) =>
        PodSets.FirstOrDefault(set => ReferenceEquals(set.Template, pieces.Template))?.Request.Units ?? 0;

    public int Gpus => PodSet.GpusOf(PodSets);

    /// <summary>The longest that a pod with GPUs may take to end.</summary>
    public TimeSpan TerminationGrace =>
        TimeSpan.FromSeconds(
            PodSets
                .Where(set => set.Request.IsAny)
                .Select(set => set.Template.Spec.TerminationGracePeriodSeconds ?? 30)
                .DefaultIfEmpty(30)
                .Max()
        );

    /// <summary>
    /// The labels that selectors are matched against: those of its pod templates together. Where two templates say different
    /// things, the one that asks for GPUs first is believed, so that a gang is never half in a budget.
    /// </summary>
    public IReadOnlyDictionary<string, string> Labels
    {
        get
        {
            if (OwnLabels is not null)
                return OwnLabels;
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

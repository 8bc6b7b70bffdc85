using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Core.Text;
using Bursar.Operator.Cluster;
using Bursar.Operator.Scaling.Targets;

namespace Bursar.Operator.Scaling;

/// <summary>State of one scaler between two passes.</summary>
internal sealed class ScalerEntry(V1Alpha1InferenceScaler scaler, DateTimeOffset since)
{
    private long _read = -1;
    private IReadOnlyList<FieldError> _errors = [];
    private ScalerTerms? _terms;
    private ScalerResult? _latest;

    public V1Alpha1InferenceScaler Scaler { get; private set; } = scaler;

    public ScalerMemory Memory { get; set; } =
        ScalerMemory.Empty with
        {
            ActiveAt = Rfc3339.TryParse(scaler.Status?.LastActiveTime, out var at) ? at : null,
        };

    public DateTimeOffset Since { get; } = since;

    public ScaleTarget? Target { get; set; }

    /// <summary>
    /// The latest decision with its snapshot; null before the first one and while the scaler cannot be evaluated. The loop replaces the
    /// pair atomically, so KEDA's calls on other threads always read a consistent one.
    /// </summary>
    public ScalerResult? Latest
    {
        get => Volatile.Read(ref _latest);
        set => Volatile.Write(ref _latest, value);
    }

    public HourlyCost Burn { get; set; }

    public DateTimeOffset? ScaledAt { get; set; }

    /// <summary>Since when the budgets afford less than the demand. Restored from the status after a restart.</summary>
    public DateTimeOffset? CappedSince { get; set; } =
        scaler
            .Status?.Conditions?.FirstOrDefault(one => one is { Type: ConditionTypes.Affordable, Reason: Reasons.CostCapped })
            ?.LastTransitionTime;

    /// <summary>Why it cannot follow the demand, and since when; null if it can.</summary>
    public (string Reason, DateTimeOffset Since)? Hindrance { get; set; }

    /// <summary>Why the last write was refused; null if it was not.</summary>
    public string? Refusal { get; set; }

    public (InferenceScalerStatus Status, DateTimeOffset At)? Written { get; set; }

    public ScalerRef Ref => new(Scaler.Metadata.Namespace ?? "", Scaler.Metadata.Name, Scaler.Metadata.Uid);

    public void Update(V1Alpha1InferenceScaler seen) => Scaler = seen;

    /// <summary>Parses the spec, once per generation.</summary>
    public IReadOnlyList<FieldError> Read(out ScalerTerms? terms)
    {
        if (_read != Scaler.Metadata.Generation || _read < 0)
        {
            _errors = InferenceScalerReader.Read(Scaler, out _terms);
            _read = Scaler.Metadata.Generation;
        }
        terms = _terms;
        return _errors;
    }
}

internal sealed record ScalerResult(ScalerSnapshot Snapshot, ScalerDecision Decision);

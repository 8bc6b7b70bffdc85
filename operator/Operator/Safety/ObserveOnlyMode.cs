using System.Globalization;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Safety;

/// <summary>
/// The way out: ConfigMap <c>bursar-control</c> in Bursar's own namespace. <c>enforcement: observe</c> stops every action;
/// <c>continue</c> holds the time of the last <c>bursar reset-breaker</c>.
/// </summary>
internal sealed class ObserveOnlyMode(CircuitBreaker brake)
{
    public const string Name = "bursar-control";
    public const string EnforcementKey = "enforcement";
    public const string ObserveValue = "observe";
    public const string ContinueKey = "continue";

    private volatile bool _observeOnly;

    /// <summary>The switch moved or the brake was lifted: every budget is to be looked at again.</summary>
    public event Action? Changed;

    public bool ObserveOnly => _observeOnly;

    public CircuitBreaker Breaker => brake;

    /// <summary>Whether the ConfigMap stops every action; null when there is none.</summary>
    public static bool IsObserve(V1ConfigMap? map) =>
        map is not null
        && map.Data.TryGetValue(EnforcementKey, out var value)
        && string.Equals(value.Trim(), ObserveValue, StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads the ConfigMap; null when there is none, which is the ordinary state.</summary>
    public void Read(V1ConfigMap? map)
    {
        var observe = IsObserve(map);
        var lifted =
            map is not null
            && map.Data.TryGetValue(ContinueKey, out var text)
            && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            && brake.Lift(at);
        if (observe == _observeOnly && !lifted)
            return;
        _observeOnly = observe;
        Changed?.Invoke();
    }
}

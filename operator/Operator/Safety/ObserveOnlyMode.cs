using System.Globalization;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Safety;

/// <summary>
/// The cluster's switch, ConfigMap <c>bursar-control</c> in Bursar's own namespace. <c>enforcement: observe</c> stops every action;
/// <c>continue</c> has the time of the last <c>bursar reset-breaker</c>.
/// </summary>
internal sealed class ObserveOnlyMode(CircuitBreaker breaker)
{
    public const string Name = "bursar-control";
    public const string EnforcementKey = "enforcement";
    public const string ObserveValue = "observe";
    public const string ContinueKey = "continue";

    private volatile bool _observeOnly;

    /// <summary>Raised when the mode changed or the circuit breaker was reset, so that budgets must be evaluated.</summary>
    public event Action? Changed;

    public bool ObserveOnly => _observeOnly;

    public CircuitBreaker Breaker => breaker;

    /// <summary>Whether the ConfigMap stops every action; false if there is none (null).</summary>
    public static bool IsObserve(V1ConfigMap? map) =>
        map is not null
        && map.Data.TryGetValue(EnforcementKey, out var value)
        && string.Equals(value.Trim(), ObserveValue, StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads the ConfigMap; null if there is none, which is the normal state.</summary>
    public void Read(V1ConfigMap? map)
    {
        var observe = IsObserve(map);
        var wasReset =
            map is not null
            && map.Data.TryGetValue(ContinueKey, out var text)
            && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            && breaker.Reset(at);
        if (observe == _observeOnly && !wasReset)
            return;
        _observeOnly = observe;
        Changed?.Invoke();
    }
}

using Grpc.Core;

namespace Bursar.Operator.Scaling.External;

/// <summary>The answer to a query: a figure, a missing figure, or an error.</summary>
internal abstract record ScalerAnswer
{
    private ScalerAnswer() { }

    /// <summary>The figure of a trigger.</summary>
    /// <param name="IsActive">Whether there is demand, so that the target must not stay at zero.</param>
    /// <param name="MetricName">Metric name in the HPA: lower-case letters, digits and hyphens.</param>
    /// <param name="Target">Value per replica; above zero.</param>
    /// <param name="Value">Total value. The HPA sets <c>Value ÷ Target</c> replicas, rounded up (KEDA's AverageValue).</param>
    public sealed record Figure(bool IsActive, string MetricName, double Target, double Value) : ScalerAnswer;

    /// <summary>There is no recent figure. KEDA applies the ScaledObject's fallback, and the HPA keeps the metric.</summary>
    /// <param name="MetricName">As with a figure.</param>
    /// <param name="Target">As with a figure.</param>
    /// <param name="Reason">The reason, as a sentence.</param>
    public sealed record Missing(string MetricName, double Target, string Reason) : ScalerAnswer;

    /// <summary>The query refers to a missing object (NotFound) or is invalid (InvalidArgument).</summary>
    public sealed record Error(StatusCode Code, string Message) : ScalerAnswer;
}

using Grpc.Core;

namespace Bursar.Operator.Scaling.External;

/// <summary>What there is to say of a trigger: its figure, or that the figure is missing, or that there is no such trigger.</summary>
internal abstract record ScalerAnswer
{
    private ScalerAnswer() { }

    /// <summary>There is a figure.</summary>
    /// <param name="IsActive">More than nothing is asked for: the target is not to rest at zero.</param>
    /// <param name="MetricName">Stands in the HPA: lower-case letters, digits and hyphens.</param>
    /// <param name="Target">What one replica carries; above zero.</param>
    /// <param name="Value">What all replicas together are to carry: the HPA wants <c>Value ÷ Target</c> replicas, rounded up (KEDA's
    /// AverageValue).</param>
    public sealed record Figure(bool IsActive, string MetricName, double Target, double Value) : ScalerAnswer;

    /// <summary>
    /// There is none now, or an old one. KEDA is told so and falls back as its ScaledObject says; the HPA keeps its metric.
    /// </summary>
    /// <param name="MetricName">As it is when the figure is there.</param>
    /// <param name="Target">As it is when the figure is there.</param>
    /// <param name="Reason">Why, in a sentence.</param>
    public sealed record Missing(string MetricName, double Target, string Reason) : ScalerAnswer;

    /// <summary>The question cannot be answered: what it names is not there (NotFound), or cannot be (InvalidArgument).</summary>
    public sealed record Error(StatusCode Code, string Message) : ScalerAnswer;
}

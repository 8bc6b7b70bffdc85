using Bursar.Operator.Scaling.External.Wire;
using Grpc.Core;

namespace Bursar.Operator.Scaling.External;

/// <summary>KEDA's service <c>externalscaler.ExternalScaler</c>. One instance serves all calls; safe for concurrent use.</summary>
/// <param name="answers">Answers each call.</param>
/// <param name="changes">Makes open streams ask again.</param>
/// <param name="stopping">Ends open streams with Unavailable, upon which KEDA connects again.</param>
internal sealed class ExternalScalerService(ExternalAnswers answers, ExternalChanges changes, CancellationToken stopping)
    : ExternalScaler.ExternalScalerBase
{
    public override Task<IsActiveResponse> IsActive(ScaledObjectRef request, ServerCallContext context) =>
        Task.FromResult(new IsActiveResponse { Result = FigureOf(Question(request)).IsActive });

    public override Task<GetMetricSpecResponse> GetMetricSpec(ScaledObjectRef request, ServerCallContext context) =>
        Task.FromResult(Spec(Question(request)));

    public override Task<GetMetricsResponse> GetMetrics(GetMetricsRequest request, ServerCallContext context) =>
        Task.FromResult(Metrics(request));

    /// <summary>
    /// Sends the present state at once, then each change. A missing figure is neither active nor inactive and sends nothing.
    /// </summary>
    public override async Task StreamIsActive(
        ScaledObjectRef request,
        IServerStreamWriter<IsActiveResponse> responseStream,
        ServerCallContext context
    )
    {
        var question = Question(request);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, stopping);
        bool? sent = null;
        while (true)
        {
            // Taken before asking: a change while it is asked is not missed.
            var next = changes.Next;
            switch (Sound(answers(question)))
            {
                case ScalerAnswer.Figure { IsActive: var active } when active != sent:
                    sent = active;
                    await responseStream.WriteAsync(new IsActiveResponse { Result = active }, ending.Token);
                    break;
                case ScalerAnswer.Figure or ScalerAnswer.Missing or ScalerAnswer.Error { Code: StatusCode.Unavailable }:
                    break;
                case var other:
                    throw Refusal(other);
            }
            try
            {
                await next.WaitAsync(ending.Token);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                throw Refused(StatusCode.Unavailable, "the operator is stopping");
            }
        }
    }

    private static RpcException Refused(StatusCode code, string message) => new(new Status(code, message));

    private static ScalerRequest Question(ScaledObjectRef? asked)
    {
        if (asked is not { Name.Length: > 0, Namespace.Length: > 0 })
            throw Refused(StatusCode.InvalidArgument, "the ScaledObject has no name or no namespace");
        var metadata = new Dictionary<string, string>(asked.ScalerMetadata, StringComparer.Ordinal);
        if (!ScalerQuery.TryRead(metadata, out var ask, out var error))
            throw Refused(StatusCode.InvalidArgument, $"{asked.Namespace}/{asked.Name}: {error}");
        return new(asked.Namespace, asked.Name, metadata) { Query = ask };
    }

    /// <summary>
    /// The metric's name and target hold without a figure: an HPA made while there is none would be one without its metric.
    /// </summary>
    private GetMetricSpecResponse Spec(ScalerRequest question)
    {
        var (name, target) = Sound(answers(question)) switch
        {
            ScalerAnswer.Figure figure => (figure.MetricName, figure.Target),
            ScalerAnswer.Missing missing => (missing.MetricName, missing.Target),
            var other => throw Refusal(other),
        };
        return new()
        {
            MetricSpecs =
            {
                new MetricSpec
                {
                    MetricName = name,
                    TargetSize = Whole(target),
                    TargetSizeFloat = target,
                },
            },
        };
    }

    private GetMetricsResponse Metrics(GetMetricsRequest asked)
    {
        var word = Sound(answers(Question(asked.ScaledObjectRef)));
        var name = word switch
        {
            ScalerAnswer.Figure figure => figure.MetricName,
            ScalerAnswer.Missing missing => missing.MetricName,
            _ => throw Refusal(word),
        };
        if (asked.MetricName != name)
            throw Refused(
                StatusCode.NotFound,
                $"there is no metric \"{(asked.MetricName.Length > 80 ? asked.MetricName[..80] + "…" : asked.MetricName)}\" here; it is {name}"
            );
        if (word is not ScalerAnswer.Figure { Value: var value })
            throw Refusal(word);
        return new()
        {
            MetricValues =
            {
                new MetricValue
                {
                    MetricName = name,
                    MetricValue_ = Whole(value),
                    MetricValueFloat = value,
                },
            },
        };
    }

    private ScalerAnswer.Figure FigureOf(ScalerRequest question)
    {
        var word = Sound(answers(question));
        return word as ScalerAnswer.Figure ?? throw Refusal(word);
    }

    private static RpcException Refusal(ScalerAnswer word) =>
        word switch
        {
            ScalerAnswer.Missing missing => Refused(StatusCode.Unavailable, missing.Reason),
            ScalerAnswer.Error { Code: not StatusCode.OK } error => Refused(error.Code, error.Message),
            _ => throw new InvalidOperationException($"{word} is no refusal"),
        };

    /// <summary>What is no number must not reach an HPA: converted there it is some replicas or other.</summary>
    private static ScalerAnswer Sound(ScalerAnswer word) =>
        word switch
        {
            ScalerAnswer.Figure { Target: not (> 0 and < double.PositiveInfinity) }
            or ScalerAnswer.Missing { Target: not (> 0 and < double.PositiveInfinity) } => throw new InvalidOperationException(
                $"{word}: its target is none"
            ),
            ScalerAnswer.Figure { Value: not (>= 0 and < double.PositiveInfinity) } figure => new ScalerAnswer.Missing(
                figure.MetricName,
                figure.Target,
                $"{figure.MetricName} has no numeric value at the moment"
            ),
            _ => word,
        };

    /// <summary>Rounded up, as the contract's whole numbers: less than one is not nothing.</summary>
    private static long Whole(double value) => Math.Ceiling(value) is var up && up >= long.MaxValue ? long.MaxValue : (long)up;
}

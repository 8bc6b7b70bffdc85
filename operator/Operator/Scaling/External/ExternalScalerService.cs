using Bursar.Operator.Scaling.External.Wire;
using Grpc.Core;

namespace Bursar.Operator.Scaling.External;

/// <summary>KEDA's service <c>externalscaler.ExternalScaler</c>. One instance serves all calls. Thread-safe.</summary>
/// <param name="answers">Answers each query.</param>
/// <param name="changes">Makes open streams query again.</param>
/// <param name="stopping">Ends open streams with Unavailable, upon which KEDA reconnects.</param>
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
    /// Sends the current state at once, then each change. A missing figure is neither active nor inactive and sends nothing.
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
            // Take the task before the query, so that no change is missed.
            var next = changes.Next;
            switch (Checked(answers(question)))
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

    private static ScalerRequest Question(ScaledObjectRef? reference)
    {
        if (reference is not { Name.Length: > 0, Namespace.Length: > 0 })
            throw Refused(StatusCode.InvalidArgument, "the ScaledObject has no name or no namespace");
        var metadata = new Dictionary<string, string>(reference.ScalerMetadata, StringComparer.Ordinal);
        if (!ScalerQuery.TryRead(metadata, out var query, out var error))
            throw Refused(StatusCode.InvalidArgument, $"{reference.Namespace}/{reference.Name}: {error}");
        return new(reference.Namespace, reference.Name, metadata) { Query = query };
    }

    /// <summary>
    /// Returns the metric's name and target even without a figure. Otherwise KEDA would create an HPA without the metric.
    /// </summary>
    private GetMetricSpecResponse Spec(ScalerRequest question)
    {
        var (name, target) = Checked(answers(question)) switch
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

    private GetMetricsResponse Metrics(GetMetricsRequest request)
    {
        var answer = Checked(answers(Question(request.ScaledObjectRef)));
        var name = answer switch
        {
            ScalerAnswer.Figure figure => figure.MetricName,
            ScalerAnswer.Missing missing => missing.MetricName,
            _ => throw Refusal(answer),
        };
        if (request.MetricName != name)
            throw Refused(
                StatusCode.NotFound,
                $"there is no metric \"{(request.MetricName.Length > 80 ? request.MetricName[..80] + "…" : request.MetricName)}\" here; it is {name}"
            );
        if (answer is not ScalerAnswer.Figure { Value: var value })
            throw Refusal(answer);
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
        var answer = Checked(answers(question));
        return answer as ScalerAnswer.Figure ?? throw Refusal(answer);
    }

    private static RpcException Refusal(ScalerAnswer answer) =>
        answer switch
        {
            ScalerAnswer.Missing missing => Refused(StatusCode.Unavailable, missing.Reason),
            ScalerAnswer.Error { Code: not StatusCode.OK } error => Refused(error.Code, error.Message),
            _ => throw new InvalidOperationException($"{answer} is no refusal"),
        };

    /// <summary>
    /// Checks the values of an answer. A value that is no finite number would become an arbitrary replica count in the HPA.
    /// </summary>
    private static ScalerAnswer Checked(ScalerAnswer answer) =>
        answer switch
        {
            ScalerAnswer.Figure { Target: not (> 0 and < double.PositiveInfinity) }
            or ScalerAnswer.Missing { Target: not (> 0 and < double.PositiveInfinity) } => throw new InvalidOperationException(
                $"{answer}: its target is none"
            ),
            ScalerAnswer.Figure { Value: not (>= 0 and < double.PositiveInfinity) } figure => new ScalerAnswer.Missing(
                figure.MetricName,
                figure.Target,
                $"{figure.MetricName} has no numeric value at the moment"
            ),
            _ => answer,
        };

    /// <summary>Rounds up to the whole numbers of the protocol, so that a fraction does not become zero.</summary>
    private static long Whole(double value) => Math.Ceiling(value) is var up && up >= long.MaxValue ? long.MaxValue : (long)up;
}

using Bursar.Operator.Scaling.External.Wire;
using Google.Protobuf;

namespace Bursar.Operator.Scaling.External;

/// <summary>KEDA's service <c>externalscaler.ExternalScaler</c>: its words in, the operator's out.</summary>
/// <param name="answers">What stands behind it.</param>
/// <param name="changes">Tells open streams to look again.</param>
internal sealed class ExternalScalerService(ExternalAnswers answers, ExternalChanges changes)
{
    private const string Service = "/externalscaler.ExternalScaler/";

    public IReadOnlyDictionary<string, GrpcMethod> Methods => new Dictionary<string, GrpcMethod>(StringComparer.Ordinal)
    {
        [Service + "IsActive"] = (request, reply, _) => reply(new IsActiveResponse { Result = FigureOf(Question(request)).IsActive }),
        [Service + "GetMetricSpec"] = (request, reply, _) => reply(Spec(Question(request))),
        [Service + "GetMetrics"] = (request, reply, _) => reply(Metrics(GetMetricsRequest.Parser.ParseFrom(request))),
        [Service + "StreamIsActive"] = StreamAsync,
    };

    private static ExternalQuestion Question(byte[] request) => Question(ScaledObjectRef.Parser.ParseFrom(request));

    private static ExternalQuestion Question(ScaledObjectRef? asked)
    {
        if (asked is not { Name.Length: > 0, Namespace.Length: > 0 }) throw new GrpcException(GrpcCode.InvalidArgument, "the ScaledObject has no name or no namespace");
        var metadata = new Dictionary<string, string>(asked.ScalerMetadata, StringComparer.Ordinal);
        if (!ExternalAsk.TryRead(metadata, out var ask, out var error)) throw new GrpcException(GrpcCode.InvalidArgument, $"{asked.Namespace}/{asked.Name}: {error}");
        return new(asked.Namespace, asked.Name, metadata) { Ask = ask };
    }

    /// <summary>The metric's name and target hold without a figure: an HPA made while there is none would be one without its metric.</summary>
    private GetMetricSpecResponse Spec(ExternalQuestion question)
    {
        var (name, target) = Sound(answers(question)) switch
        {
            ExternalWord.Figure figure => (figure.MetricName, figure.Target),
            ExternalWord.Missing missing => (missing.MetricName, missing.Target),
            var other => throw Refusal(other),
        };
        return new() { MetricSpecs = { new MetricSpec { MetricName = name, TargetSize = Whole(target), TargetSizeFloat = target } } };
    }

    private GetMetricsResponse Metrics(GetMetricsRequest asked)
    {
        var word = Sound(answers(Question(asked.ScaledObjectRef)));
        var name = word switch
        {
            ExternalWord.Figure figure => figure.MetricName,
            ExternalWord.Missing missing => missing.MetricName,
            _ => throw Refusal(word),
        };
        if (asked.MetricName != name) throw new GrpcException(GrpcCode.NotFound, $"there is no metric \"{(asked.MetricName.Length > 80 ? asked.MetricName[..80] + "…" : asked.MetricName)}\" here; it is {name}");
        if (word is not ExternalWord.Figure { Value: var value }) throw Refusal(word);
        return new() { MetricValues = { new MetricValue { MetricName = name, MetricValue_ = Whole(value), MetricValueFloat = value } } };
    }

    /// <summary>The present state at once, then each change. A missing figure is neither active nor inactive, so the stream keeps its last word.</summary>
    private async Task StreamAsync(byte[] request, Func<IMessage, Task> reply, CancellationToken cancellationToken)
    {
        var question = Question(request);
        bool? said = null;
        while (true)
        {
            // Taken before asking: a change while it is asked is not missed.
            var next = changes.Next;
            switch (Sound(answers(question)))
            {
                case ExternalWord.Figure { IsActive: var active } when active != said:
                    said = active;
                    await reply(new IsActiveResponse { Result = active });
                    break;
                case ExternalWord.Figure or ExternalWord.Missing or ExternalWord.Error { Code: GrpcCode.Unavailable }:
                    break;
                case var other:
                    throw Refusal(other);
            }
            await next.WaitAsync(cancellationToken);
        }
    }

    private ExternalWord.Figure FigureOf(ExternalQuestion question)
    {
        var word = Sound(answers(question));
        return word as ExternalWord.Figure ?? throw Refusal(word);
    }

    private static GrpcException Refusal(ExternalWord word) => word switch
    {
        ExternalWord.Missing missing => new(GrpcCode.Unavailable, missing.Reason),
        ExternalWord.Error { Code: not GrpcCode.Ok } error => new(error.Code, error.Message),
        _ => throw new InvalidOperationException($"{word} is no refusal"),
    };

    /// <summary>What is no number must not reach an HPA: converted there it is some replicas or other.</summary>
    private static ExternalWord Sound(ExternalWord word) => word switch
    {
        ExternalWord.Figure { Target: not (> 0 and < double.PositiveInfinity) } or ExternalWord.Missing { Target: not (> 0 and < double.PositiveInfinity) } => throw new InvalidOperationException($"{word}: its target is none"),
        ExternalWord.Figure { Value: not (>= 0 and < double.PositiveInfinity) } figure => new ExternalWord.Missing(figure.MetricName, figure.Target, $"{figure.MetricName} is no number at this moment"),
        _ => word,
    };

    /// <summary>Rounded up, as the contract's whole numbers: less than one is not nothing.</summary>
    private static long Whole(double value) => Math.Ceiling(value) is var up && up >= long.MaxValue ? long.MaxValue : (long)up;
}

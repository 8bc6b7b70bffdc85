using System.Net;
using System.Text;
using Bursar.Core.Scaling;
using Bursar.Operator.Scaling.External;
using Bursar.Operator.Scaling.External.Wire;
using Bursar.Tests.Integration.Kubernetes;
using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf;
using Grpc.Core;

namespace Bursar.Tests.Integration.Operator.Scaling.External;

/// <summary>The endpoint that KEDA queries, over real sockets: its answers, also to odd callers.</summary>
public sealed class ExternalScalerEndpointTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private ExternalScalerHost _host = null!;
    private GrpcCaller _caller = null!;

    public async Task InitializeAsync()
    {
        _host = await ExternalScalerHost.StartAsync();
        _caller = new(_host.Endpoint.Address);
        _host.Answer("chat", new ScalerAnswer.Figure(true, "queue", 2.5, 10.25));
    }

    public async Task DisposeAsync()
    {
        _caller.Dispose();
        await _host.DisposeAsync();
    }

    [Fact]
    public async Task Metric_value_is_sent_as_an_integer_and_exactly()
    {
        (await _caller.CallAsync("IsActive", ExternalScalerHost.Ref("chat"))).Only(IsActiveResponse.Parser).Result.Should().BeTrue();
        (await _caller.CallAsync("GetMetricSpec", ExternalScalerHost.Ref("chat")))
            .Only(GetMetricSpecResponse.Parser)
            .MetricSpecs.Should()
            .Equal(
                new MetricSpec
                {
                    MetricName = "queue",
                    TargetSize = 3,
                    TargetSizeFloat = 2.5,
                }
            );
        (await _caller.CallAsync("GetMetrics", ExternalScalerHost.Metric("queue", ExternalScalerHost.Ref("chat"))))
            .Only(GetMetricsResponse.Parser)
            .MetricValues.Should()
            .Equal(
                new MetricValue
                {
                    MetricName = "queue",
                    MetricValue_ = 11,
                    MetricValueFloat = 10.25,
                }
            );
    }

    [Fact]
    public async Task Query_carries_the_metadata_of_the_trigger()
    {
        ScalerRequest? seen = null;
        _host.Answer("chat", question =>
        {
            seen = question;
            return new ScalerAnswer.Figure(false, "tokens", 1500, 0);
        });

        (
            await _caller.CallAsync(
                "IsActive",
                ExternalScalerHost.Ref(
                    "chat",
                    ("trigger", "tokens"),
                    ("generatedPerSecond", "1500"),
                    ("activation", "1"),
                    ("costCapPerHour", "24")
                )
            )
        )
            .Only(IsActiveResponse.Parser)
            .Result.Should()
            .BeFalse();
        seen!.Namespace.Should().Be("team");
        seen.Metadata.Should().ContainKey("scalerAddress");
        var ask = seen.Query.Should().BeOfType<ScalerQuery.OfTrigger>().Subject;
        (ask.Terms.Type, ask.Terms.Target, ask.Terms.Activation, ask.CostCapPerHour.ToString())
            .Should()
            .Be((TriggerType.Tokens, 1500d, 1d, "24.00"));
        ask.Terms.Metadata.Should().Equal(new Dictionary<string, string> { ["generatedPerSecond"] = "1500", ["activation"] = "1" });

        await _caller.CallAsync("IsActive", ExternalScalerHost.Ref("chat", ("inferenceScaler", "chat-llm")));
        seen!.Query.Should().Be(new ScalerQuery.OfScaler("chat-llm"));
    }

    [Fact]
    public async Task Missing_figure_is_unavailable_and_never_zero_while_the_HPA_keeps_its_metric()
    {
        _host.Answer("chat", new ScalerAnswer.Missing("queue", 4, "no agent has measured größer als 100% since 12:00\nat all"));

        var (active, metrics) = (
            await _caller.CallAsync("IsActive", ExternalScalerHost.Ref("chat")),
            await _caller.CallAsync("GetMetrics", ExternalScalerHost.Metric("queue", ExternalScalerHost.Ref("chat")))
        );
        (active.Code, metrics.Code).Should().Be((StatusCode.Unavailable, StatusCode.Unavailable));
        active.Messages.Concat(metrics.Messages).Should().BeEmpty();
        active.Message.Should().Be("no agent has measured größer als 100% since 12:00\nat all");
        (await _caller.CallAsync("GetMetricSpec", ExternalScalerHost.Ref("chat")))
            .Only(GetMetricSpecResponse.Parser)
            .MetricSpecs.Single()
            .TargetSizeFloat.Should()
            .Be(4);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(-1)]
    public async Task Value_that_is_no_number_is_answered_as_unavailable(double value)
    {
        _host.Answer("chat", new ScalerAnswer.Figure(true, "queue", 4, value));
        (await _caller.CallAsync("GetMetrics", ExternalScalerHost.Metric("queue", ExternalScalerHost.Ref("chat"))))
            .Code.Should()
            .Be(StatusCode.Unavailable);
    }

    [Fact]
    public async Task Number_beyond_whole_numbers_is_the_largest_of_them()
    {
        _host.Answer("chat", new ScalerAnswer.Figure(true, "queue", 1e-9, 1e300));
        var value = (await _caller.CallAsync("GetMetrics", ExternalScalerHost.Metric("queue", ExternalScalerHost.Ref("chat"))))
            .Only(GetMetricsResponse.Parser)
            .MetricValues.Single();
        (value.MetricValue_, value.MetricValueFloat).Should().Be((long.MaxValue, 1e300));
        (await _caller.CallAsync("GetMetricSpec", ExternalScalerHost.Ref("chat")))
            .Only(GetMetricSpecResponse.Parser)
            .MetricSpecs.Single()
            .TargetSize.Should()
            .Be(1);
    }

    [Theory]
    [InlineData("IsActive", "nobody", StatusCode.NotFound, "there is no ScaledObject team/nobody")]
    [InlineData("GetMetricSpec", "nobody", StatusCode.NotFound, "there is no ScaledObject team/nobody")]
    [InlineData("StreamIsActive", "nobody", StatusCode.NotFound, "there is no ScaledObject team/nobody")]
    [InlineData("StreamMetricSpec", "chat", StatusCode.Unimplemented, "Method is unimplemented.")]
    [InlineData("IsActive", "", StatusCode.InvalidArgument, "the ScaledObject has no name or no namespace")]
    public async Task Missing_scaler_is_answered_with_its_reason(string method, string name, StatusCode code, string message)
    {
        var reply = await _caller.CallAsync(method, ExternalScalerHost.Ref(name));
        (reply.Code, reply.Message, reply.TrailersOnly).Should().Be((code, message, true));
    }

    [Fact]
    public async Task Metric_of_another_name_is_not_found()
    {
        var reply = await _caller.CallAsync("GetMetrics", ExternalScalerHost.Metric("s0-queue", ExternalScalerHost.Ref("chat")));
        (reply.Code, reply.Message).Should().Be((StatusCode.NotFound, "there is no metric \"s0-queue\" here; it is queue"));
        (await _caller.CallAsync("GetMetrics", new GetMetricsRequest { MetricName = "queue" }))
            .Code.Should()
            .Be(StatusCode.InvalidArgument);
    }

    [Theory]
    [InlineData("grpc.health.v1.Health/Check")]
    [InlineData("externalscaler.ExternalScale/IsActive")]
    public async Task Unknown_services_are_unimplemented(string path) =>
        (await _caller.SendAsync(path, GrpcCaller.Frame([]))).Code.Should().Be(StatusCode.Unimplemented);

    [Fact]
    public async Task Bad_metadata_is_an_invalid_argument()
    {
        var reply = await _caller.CallAsync("IsActive", ExternalScalerHost.Ref("chat", ("trigger", "queue"), ("waiting", "many")));
        (reply.Code, reply.Message)
            .Should()
            .Be((StatusCode.InvalidArgument, "team/chat: metadata.waiting: \"many\" is not a number above 0"));
        _host.Asked.Should().Be(0);
    }

    public static TheoryData<string, byte[], StatusCode> OddFrames =>
        new()
        {
            { "nothing at all", [], StatusCode.Internal },
            { "half a prefix", [0, 0, 0], StatusCode.Internal },
            { "shorter than it says", GrpcCaller.Frame([10, 1], length: 3), StatusCode.Internal },
            { "a prefix alone", [0, 0, 0, 0, 9], StatusCode.Internal },
            { "compressed", GrpcCaller.Frame(ExternalScalerHost.Ref("chat").ToByteArray(), flag: 1), StatusCode.Internal },
            { "an unknown flag", GrpcCaller.Frame(ExternalScalerHost.Ref("chat").ToByteArray(), flag: 0x80), StatusCode.Unknown },
            { "says it is 4 GiB", GrpcCaller.Frame([1], length: uint.MaxValue), StatusCode.Unknown },
            { "larger than is read", GrpcCaller.Frame(new byte[ExternalScalerEndpoint.MaxMessageBytes + 1]), StatusCode.ResourceExhausted },
            { "much larger than is read", GrpcCaller.Frame(new byte[4 * 1024 * 1024]), StatusCode.Unknown },
            {
                "two messages",
                [
                    .. GrpcCaller.Frame(ExternalScalerHost.Ref("chat").ToByteArray()),
                    .. GrpcCaller.Frame(ExternalScalerHost.Ref("chat").ToByteArray()),
                ],
                StatusCode.Internal
            },
            { "a byte behind it", [.. GrpcCaller.Frame(ExternalScalerHost.Ref("chat").ToByteArray()), 0], StatusCode.Internal },
            { "no such message", GrpcCaller.Frame(Encoding.UTF8.GetBytes("{\"name\": \"chat\"}")), StatusCode.Unknown },
            { "a map that breaks off", GrpcCaller.Frame([10, 4, (byte)'c', (byte)'h', (byte)'a', (byte)'t', 26, 200]), StatusCode.Unknown },
        };

    [Theory]
    [MemberData(nameof(OddFrames))]
    public async Task Malformed_frame_ends_only_its_call(string what, byte[] body, StatusCode code)
    {
        foreach (var method in (string[])["IsActive", "GetMetricSpec", "GetMetrics", "StreamIsActive"])
        {
            GrpcReply reply;
            try
            {
                reply = await _caller.SendAsync(GrpcCaller.Service + method, body);
            }
            catch (HttpRequestException) when (body.Length > ExternalScalerEndpoint.MaxMessageBytes)
            {
                // Answered and reset while the body is still on its way: HttpClient reports the reset.
                continue;
            }
            // Unknown: the frame's message is none of the method's.
            reply.Code.Should().BeOneOf([code, StatusCode.Unknown], "{0}: {1}", what, reply.Message);
            reply.Messages.Should().BeEmpty();
        }
        (await _caller.CallAsync("IsActive", ExternalScalerHost.Ref("chat"))).Code.Should().Be(StatusCode.OK);
    }

    [Fact]
    public void Arbitrary_bytes_are_answered_with_an_error_status() =>
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes =>
            {
                var framed = _caller.SendAsync(GrpcCaller.Service + "GetMetrics", GrpcCaller.Frame(bytes ?? [])).GetAwaiter().GetResult();
                var bare = _caller.SendAsync(GrpcCaller.Service + "IsActive", bytes ?? []).GetAwaiter().GetResult();
                return framed.Code is StatusCode.Unknown or StatusCode.InvalidArgument
                    && bare.Code is StatusCode.Internal or StatusCode.InvalidArgument or StatusCode.Unknown or StatusCode.ResourceExhausted;
            })
            .QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("application/grpc", 200)]
    [InlineData("application/grpc+proto", 200)]
    [InlineData("application/grpc; charset=utf-8", 200)]
    [InlineData("application/grpc-web+proto", 415)]
    [InlineData("application/json", 415)]
    [InlineData("", 415)]
    public async Task Content_type_other_than_gRPC_is_rejected(string contentType, int status) =>
        (
            (int)
                (
                    await _caller.SendAsync(
                        GrpcCaller.Service + "IsActive",
                        GrpcCaller.Frame(ExternalScalerHost.Ref("chat").ToByteArray()),
                        contentType
                    )
                ).Http
        )
            .Should()
            .Be(status);

    [Fact]
    public async Task Request_other_than_POST_over_HTTP_2_is_rejected()
    {
        (await _caller.SendAsync(GrpcCaller.Service + "IsActive", [], method: HttpMethod.Get)).Http.Should().Be(HttpStatusCode.NotFound);
        (await _caller.SendAsync(GrpcCaller.Service + "IsActive", GrpcCaller.Frame([]), method: HttpMethod.Put))
            .Http.Should()
            .Be(HttpStatusCode.NotFound);
        using var old = new HttpClient();
        try
        {
            (await old.GetAsync(new Uri($"http://{_host.Endpoint.Address}/"))).IsSuccessStatusCode.Should().BeFalse();
        }
        catch (HttpRequestException)
        {
            // A close without an answer is a refusal too.
        }
    }

    [Theory]
    [InlineData("99999999H")]
    [InlineData("60S")]
    [InlineData("1M")]
    [InlineData("5000m")]
    public async Task Deadline_far_off_changes_nothing(string timeout) =>
        (await _caller.CallAsync("IsActive", ExternalScalerHost.Ref("chat"), timeout)).Code.Should().Be(StatusCode.OK);

    [Theory]
    [InlineData("2S")]
    [InlineData("2000000u")]
    public async Task Stream_ends_at_its_deadline(string timeout)
    {
        var seen = new List<bool>();
        var end = await FluentActions
            .Awaiting(async () =>
            {
                await foreach (var active in _caller.StreamAsync(ExternalScalerHost.Ref("chat"), timeout))
                    seen.Add(active);
            })
            .Should()
            .ThrowAsync<RpcException>();
        end.Which.StatusCode.Should().Be(StatusCode.DeadlineExceeded);
        seen.Should().Equal(true);
    }

    [Fact]
    public async Task Crash_ends_only_its_call()
    {
        _host.Answer("broken", _ => throw new InvalidOperationException("internal detail"));
        _host.Answer("odd", new ScalerAnswer.Figure(true, "queue", 0, 1));
        foreach (var name in (string[])["broken", "odd"])
        {
            foreach (var method in (string[])["IsActive", "GetMetricSpec", "StreamIsActive"])
            {
                var reply = await _caller.CallAsync(method, ExternalScalerHost.Ref(name));
                reply.Code.Should().Be(StatusCode.Unknown);
                reply.Message.Should().NotContain("secret");
            }
        }
        (await _caller.CallAsync("IsActive", ExternalScalerHost.Ref("chat"))).Code.Should().Be(StatusCode.OK);
    }

    [Fact]
    public async Task Stream_reports_the_present_state_and_each_change()
    {
        using var patience = new CancellationTokenSource(Patience);
        await using var stream = _caller
            .StreamAsync(ExternalScalerHost.Ref("chat"), cancellationToken: patience.Token)
            .GetAsyncEnumerator();
        async Task<bool> Next() =>
            await stream.MoveNextAsync() ? stream.Current : throw new InvalidOperationException("the stream is over");

        (await Next()).Should().BeTrue();
        // A repeated state is not a change, and a missing figure is not one either.
        _host.Answer("chat", new ScalerAnswer.Figure(true, "queue", 2.5, 400));
        _host.Answer("chat", new ScalerAnswer.Missing("queue", 2.5, "the agent is silent"));
        _host.Answer("chat", new ScalerAnswer.Error(StatusCode.Unavailable, "no leader's word"));
        _host.Answer("chat", new ScalerAnswer.Figure(false, "queue", 2.5, 0));
        (await Next()).Should().BeFalse();
        _host.Answer("chat", new ScalerAnswer.Figure(true, "queue", 2.5, 1));
        (await Next()).Should().BeTrue();
        _host.Answer("chat", new ScalerAnswer.Error(StatusCode.NotFound, "it was deleted"));
        (await FluentActions.Awaiting(Next).Should().ThrowAsync<RpcException>()).Which.StatusCode.Should().Be(StatusCode.NotFound);
    }

    [Fact]
    public async Task Stream_without_a_figure_waits_for_the_first()
    {
        using var patience = new CancellationTokenSource(Patience);
        _host.Answer("chat", new ScalerAnswer.Missing("queue", 4, "the agent is new"));
        await using var stream = _caller
            .StreamAsync(ExternalScalerHost.Ref("chat"), cancellationToken: patience.Token)
            .GetAsyncEnumerator();
        var first = stream.MoveNextAsync();
        await Until(() => _host.Asked > 0);
        first.IsCompleted.Should().BeFalse();

        _host.Answer("chat", new ScalerAnswer.Figure(false, "queue", 4, 0));
        (await first).Should().BeTrue();
        stream.Current.Should().BeFalse();
    }

    [Fact]
    public async Task Stream_that_its_caller_cancels_ends()
    {
        using var leaving = new CancellationTokenSource();
        await using (
            var stream = _caller.StreamAsync(ExternalScalerHost.Ref("chat"), cancellationToken: leaving.Token).GetAsyncEnumerator()
        )
        {
            await stream.MoveNextAsync();
            var next = stream.MoveNextAsync();
            await leaving.CancelAsync();
            await FluentActions.Awaiting(async () => await next).Should().ThrowAsync<OperationCanceledException>();
        }

        // The stream ends once a change finds no caller.
        await Until(async () =>
        {
            var before = _host.Asked;
            _host.Endpoint.Wake();
            await _caller.CallAsync("GetMetricSpec", ExternalScalerHost.Ref("chat"));
            return _host.Asked == before + 1;
        });
    }

    [Fact]
    public async Task Stop_ends_open_streams_with_a_message()
    {
        await using var stream = _caller.StreamAsync(ExternalScalerHost.Ref("chat")).GetAsyncEnumerator();
        await stream.MoveNextAsync();
        var next = stream.MoveNextAsync();

        await _host.Endpoint.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30));

        var end = await FluentActions.Awaiting(async () => await next).Should().ThrowAsync<RpcException>();
        (end.Which.StatusCode, end.Which.Status.Detail).Should().Be((StatusCode.Unavailable, "the operator is stopping"));
    }

    [Fact]
    public async Task Thousand_calls_beside_a_thousand_open_streams_are_answered()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        for (var i = 0; i < 1000; i++)
            _host.Answer($"s{i}", new ScalerAnswer.Figure(i % 2 == 0, "queue", 4, i));
        var streams = Enumerable
            .Range(0, 1000)
            .Select(i => _caller.StreamAsync(ExternalScalerHost.Ref($"s{i}"), cancellationToken: patience.Token).GetAsyncEnumerator())
            .ToList();
        (await Task.WhenAll(streams.Select(stream => stream.MoveNextAsync().AsTask()))).Should().AllBeEquivalentTo(true);

        var values = await Task.WhenAll(
            Enumerable
                .Range(0, 1000)
                .Select(async i =>
                    (await _caller.CallAsync("GetMetrics", ExternalScalerHost.Metric("queue", ExternalScalerHost.Ref($"s{i}"))))
                        .Only(GetMetricsResponse.Parser)
                        .MetricValues.Single()
                        .MetricValueFloat
                )
        );
        values.Should().Equal(Enumerable.Range(0, 1000).Select(i => (double)i));

        var next = streams.Select(stream => stream.MoveNextAsync().AsTask()).ToList();
        for (var i = 0; i < 1000; i++)
            _host.Answer($"s{i}", new ScalerAnswer.Figure(i % 2 != 0, "queue", 4, i));
        await Task.WhenAll(next);
        streams.Select(stream => stream.Current).Should().Equal(Enumerable.Range(0, 1000).Select(i => i % 2 != 0));
        foreach (var stream in streams)
            await stream.DisposeAsync();
    }

    private static Task Until(Func<bool> condition) => Until(() => Task.FromResult(condition()));

    private static async Task Until(Func<Task<bool>> condition)
    {
        var since = System.Diagnostics.Stopwatch.StartNew();
        while (!await condition())
        {
            if (since.Elapsed > Patience)
                throw new TimeoutException("it did not come true");
            await Task.Delay(10);
        }
    }
}

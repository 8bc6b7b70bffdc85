using System.Net;
using System.Text.Json.Nodes;
using Bursar.Agent.Certificates;
using Bursar.Operator.Scaling.Signals;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Bursar.Tests.Integration.Operator.Scaling.Signals;

public sealed class PrometheusSourcesTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private readonly VirtualTimeProvider _time = new();
    private readonly List<string> _logs = [];
    private WebApplication _server = null!;
    private string _address = "";
    private Func<HttpContext, Task> _answer = _ => Task.CompletedTask;
    private PrometheusSources _sources = null!;

    public async Task InitializeAsync()
    {
        (_server, _address) = await ServeAsync(context => _answer(context));
        _sources = Open(new JsonObject { ["name"] = "main", ["address"] = _address });
    }

    public async Task DisposeAsync()
    {
        _sources.Dispose();
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Scalar_and_a_vector_of_one_are_a_number()
    {
        string? asked = null,
            path = null;
        _answer = async context =>
        {
            (path, asked) = (context.Request.Path, (await context.Request.ReadFormAsync())["query"]);
            await context.Response.WriteAsync(
                """{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1763700000.1,"12.5"]}]},"infos":["i"],"warnings":[]}"""
            );
        };
        (await _sources.QueryAsync("main", "sum(rate(x[1m]))", default)).Should().Be(PromAnswer.From(12.5));
        (path, asked).Should().Be(("/api/v1/query", "sum(rate(x[1m]))"));

        (await AskAsync("""{"status":"success","data":{"resultType":"scalar","result":[1763700000,"-3e2"]}}""")).Value.Should().Be(-300);
    }

    [Theory]
    [InlineData("""["No StoreAPIs matched: rpc error: code = Unavailable"]""", "No StoreAPIs matched: rpc error: code = Unavailable")]
    [InlineData("""["first", "second", "third"]""", "first (and 2 more)")]
    [InlineData("\"a text\"", "a text")]
    [InlineData("""[{"code": 14}]""", """{"code": 14}""")]
    [InlineData("null", null)]
    [InlineData("[]", null)]
    public async Task Warnings_of_an_answer_are_kept_beside_its_value(string warnings, string? first)
    {
        var partial = await AskAsync(
            """{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1763700000,"3"]}]},"warnings":"""
                + warnings
                + "}"
        );
        (partial.Value, partial.Error, partial.Warning).Should().Be((3, null, first is null ? null : $"Prometheus source main: {first}"));
    }

    [Fact]
    public async Task Empty_result_is_not_zero()
    {
        var nothing = await AskAsync("""{"status":"success","data":{"resultType":"vector","result":[]}}""");
        (nothing.IsEmpty, nothing.Value, nothing.Error).Should().Be((true, null, null));
    }

    [Theory]
    [InlineData(
        200,
        """{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"1"]},{"value":[1,"2"]},{"value":[1,"2"]}]}}""",
        "3 series"
    )]
    [InlineData(200, """{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"NaN"]}]}}""", "NaN")]
    [InlineData(200, """{"status":"success","data":{"resultType":"scalar","result":[1,"+Inf"]}}""", "+Inf")]
    [InlineData(200, """{"status":"success","data":{"resultType":"vector","result":[{"histogram":[1,{}]}]}}""", "histogram")]
    [InlineData(200, """{"status":"success","data":{"resultType":"matrix","result":[]}}""", "matrix")]
    [InlineData(200, """{"status":"success","data":{"resultType":"scalar","result":[1,2]}}""", "no number")]
    [InlineData(200, """{"status":"success","data":{"resultType":"vector","result":[7]}}""", "not a number")]
    [InlineData(200, """{"status":"success"}""", "no result")]
    [InlineData(200, """{"status":"success","data":7}""", "not Prometheus JSON")]
    [InlineData(200, "<html>", "not Prometheus JSON")]
    [InlineData(200, "", "not Prometheus JSON")]
    [InlineData(
        400,
        """{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error"}""",
        "bad_data: invalid parameter \"query\": 1:5: parse error"
    )]
    [InlineData(503, """{"status":"error","errorType":"timeout","error":"query timed out"}""", "timeout: query timed out")]
    [InlineData(502, "<html>bad gateway</html>", "502")]
    public async Task Result_that_is_no_number_is_an_error_with_the_message_of_Prometheus(int status, string body, string error)
    {
        var failed = await AskAsync(body, status);
        failed.Value.Should().BeNull();
        failed.Error.Should().StartWith("Prometheus source main: ").And.Contain(error);
    }

    [Fact]
    public async Task Redirects_and_endless_answers_and_silence_are_errors()
    {
        _answer = context =>
        {
            context.Response.Redirect("http://127.0.0.1:1/");
            return Task.CompletedTask;
        };
        (await _sources.QueryAsync("main", "up", default)).Error.Should().Contain("redirect");

        _answer = async context =>
        {
            byte[] much = new byte[256 * 1024];
            for (int i = 0; i < 8 && !context.RequestAborted.IsCancellationRequested; i++)
                await context.Response.Body.WriteAsync(much);
        };
        (await _sources.QueryAsync("main", "up", default)).Error.Should().Contain("more than");

        var heard = new TaskCompletionSource();
        _answer = async context =>
        {
            heard.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { });
        };
        var asked = _sources.QueryAsync("main", "up", default);
        await heard.Task;
        _time.Advance(TimeSpan.FromSeconds(3));
        (await asked.WaitAsync(TimeSpan.FromSeconds(30))).Error.Should().Contain("within 3 s");

        await _server.StopAsync();
        (await _sources.QueryAsync("main", "up", default)).Error.Should().Contain("main").And.Contain("refused");
    }

    [Fact]
    public async Task Source_that_is_not_there_is_named_with_those_that_are()
    {
        (await _sources.QueryAsync("other", "up", default)).Error.Should().Contain("other").And.Contain("main");
        using var none = new PrometheusSources(null, _time, new ListLogger(_logs));
        (await none.QueryAsync("main", "up", default)).Error.Should().Contain("none is configured");
        using var absent = new PrometheusSources(_folder.File("absent.json"), _time, new ListLogger(_logs));
        (await absent.QueryAsync("main", "up", default)).Error.Should().Contain("absent.json");
    }

    [Fact]
    public async Task Renewed_credential_is_used_and_none_appears_in_errors_or_logs()
    {
        // A gate that repeats what it was sent.
        _answer = context =>
        {
            context.Response.StatusCode = 401;
            return context.Response.WriteAsync(
                $$"""{"status":"error","errorType":"auth","error":"no right with {{context.Request.Headers.Authorization}}"}"""
            );
        };
        File.WriteAllText(_folder.File("token"), "secret-one\n");
        using var bearer = Open(
            new JsonObject
            {
                ["name"] = "main",
                ["address"] = _address,
                ["bearerTokenFile"] = _folder.File("token"),
            }
        );
        (await bearer.QueryAsync("main", "up", default)).Error.Should().EndWith("no right with Bearer …");
        string? sent = null;
        _answer = context =>
        {
            sent = context.Request.Headers.Authorization;
            return context.Response.WriteAsync("""{"status":"success","data":{"resultType":"vector","result":[]}}""");
        };
        File.WriteAllText(_folder.File("token"), "secret-two");
        (await bearer.QueryAsync("main", "up", default)).IsEmpty.Should().BeTrue();
        sent.Should().Be("Bearer secret-one", "the file is read every few seconds");
        _time.Advance(TimeSpan.FromSeconds(10));
        await bearer.QueryAsync("main", "up", default);
        sent.Should().Be("Bearer secret-two");

        File.Delete(_folder.File("token"));
        _time.Advance(TimeSpan.FromSeconds(10));
        (await bearer.QueryAsync("main", "up", default)).Error.Should().Contain("cannot be read");

        File.WriteAllText(_folder.File("user"), "u\n");
        File.WriteAllText(_folder.File("password"), "p:w\n");
        using var basic = Open(
            new JsonObject
            {
                ["name"] = "main",
                ["address"] = _address,
                ["usernameFile"] = _folder.File("user"),
                ["passwordFile"] = _folder.File("password"),
            }
        );
        await basic.QueryAsync("main", "up", default);
        sent.Should().Be("Basic " + Convert.ToBase64String("u:p:w"u8.ToArray()));
        _logs.Should().NotContain(line => line.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Changed_list_is_applied_and_a_broken_one_keeps_the_previous()
    {
        _answer = context => context.Response.WriteAsync("""{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}""");
        (await _sources.QueryAsync("main", "up", default)).Value.Should().Be(1);
        File.WriteAllText(_folder.File("sources.json"), "[{");
        _time.Advance(TimeSpan.FromSeconds(10));
        (await _sources.QueryAsync("main", "up", default)).Value.Should().Be(1);
        _logs.Should().ContainSingle().Which.Should().Contain("cannot be read");
        File.WriteAllText(
            _folder.File("sources.json"),
            new JsonArray(new JsonObject { ["name"] = "second", ["address"] = _address + "/prometheus/" }).ToJsonString()
        );
        _time.Advance(TimeSpan.FromSeconds(10));
        _sources.Names.Should().Equal("second");
        (await _sources.QueryAsync("main", "up", default)).Error.Should().Contain("there are second");
        (await _sources.QueryAsync("second", "up", default)).Value.Should().Be(1);
    }

    [Theory]
    [InlineData("""[{"address":"http://a"}]""", "no name")]
    [InlineData("""[{"name":"a","address":"a:9090"}]""", "address")]
    [InlineData("""[{"name":"a","address":"http://user:secret@a"}]""", "not in the address")]
    [InlineData("""[{"name":"a","address":"http://a"},{"name":"a","address":"http://b"}]""", "two")]
    [InlineData("""[{"name":"a","address":"http://a","certFile":"c"}]""", "together")]
    [InlineData("""[{"name":"a","address":"http://a","usernameFile":"c"}]""", "together")]
    [InlineData("""[{"name":"a","address":"http://a","usernameFile":"c","passwordFile":"d","bearerTokenFile":"e"}]""", "not both")]
    [InlineData("""[null]""", "no name")]
    public void List_that_cannot_be_used_is_refused(string json, string reason) =>
        FluentActions
            .Invoking(() => PrometheusSourceList.Read(System.Text.Encoding.UTF8.GetBytes(json)))
            .Should()
            .Throw<FormatException>()
            .WithMessage($"*{reason}*")
            .Which.Message.Should()
            .NotContain("secret");

    [Fact]
    public async Task Source_trusts_only_its_authority_and_name_and_sends_its_certificate()
    {
        var now = TimeProvider.System.GetUtcNow();
        var root = BursarCa.Create(now);
        var own = BursarCa.Issue(root, "prometheus.example", "1.3.6.1.5.5.7.3.1", now);
        string? shown = null;
        var (tls, port) = await ServeAsync(
            context =>
            {
                shown = context.Connection.ClientCertificate?.Subject;
                return context.Response.WriteAsync("""{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}""");
            },
            own
        );
        await using var held = tls;
        var client = BursarCa.CreateOperator(root, now);
        foreach (
            var (name, text) in (IEnumerable<(string, string)>)
                [
                    ("ca.crt", root.Certificate),
                    ("tls.crt", client.Certificate),
                    ("tls.key", client.PrivateKey),
                    ("other.crt", BursarCa.Create(now).Certificate),
                    ("empty.crt", "nothing"),
                ]
        )
            File.WriteAllText(_folder.File(name), text);
        JsonObject Source(string ca, string? name) =>
            new()
            {
                ["name"] = "main",
                ["address"] = port,
                ["caFile"] = _folder.File(ca),
                ["serverName"] = name,
                ["certFile"] = _folder.File("tls.crt"),
                ["keyFile"] = _folder.File("tls.key"),
            };

        using var right = Open(Source("ca.crt", "prometheus.example"));
        (await right.QueryAsync("main", "up", default)).Should().Be(PromAnswer.From(1));
        shown.Should().Contain(BursarNames.Operator);
        using var nameless = Open(Source("ca.crt", null));
        (await nameless.QueryAsync("main", "up", default)).Error.Should().Contain("certificate");
        using var stranger = Open(Source("other.crt", "prometheus.example"));
        (await stranger.QueryAsync("main", "up", default)).Error.Should().Contain("certificate");
        using var empty = Open(Source("empty.crt", "prometheus.example"));
        (await empty.QueryAsync("main", "up", default)).Error.Should().Contain("not what it should be");
    }

    private async Task<PromAnswer> AskAsync(string body, int status = 200)
    {
        _answer = context =>
        {
            context.Response.StatusCode = status;
            return context.Response.WriteAsync(body);
        };
        return await _sources.QueryAsync("main", "up", default);
    }

    private PrometheusSources Open(JsonObject source)
    {
        File.WriteAllText(_folder.File("sources.json"), new JsonArray(source).ToJsonString());
        return new(_folder.File("sources.json"), _time, new ListLogger(_logs));
    }

    private static async Task<(WebApplication, string)> ServeAsync(RequestDelegate handle, PemPair? certificate = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder
            .WebHost.UseKestrelCore()
            .ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listener =>
                {
                    if (certificate is null)
                        return;
                    using var pem = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPem(
                        certificate.Certificate,
                        certificate.PrivateKey
                    );
                    listener.UseHttps(
                        new HttpsConnectionAdapterOptions
                        {
                            ServerCertificate = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadPkcs12(
                                pem.Export(System.Security.Cryptography.X509Certificates.X509ContentType.Pkcs12),
                                null
                            ),
                            ClientCertificateMode = ClientCertificateMode.RequireCertificate,
                            ClientCertificateValidation = (_, _, _) => true,
                        }
                    );
                }));
        if (certificate is not null)
            builder.WebHost.UseKestrelHttpsConfiguration();
        var application = builder.Build();
        application.Run(handle);
        await application.StartAsync();
        return (application, ((IApplicationBuilder)application).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses.Single());
    }

    private sealed class ListLogger(List<string> lines) : ILogger<PrometheusSources>
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        ) => lines.Add(formatter(state, exception));
    }
}

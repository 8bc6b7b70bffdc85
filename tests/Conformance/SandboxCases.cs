using Bursar.Sandbox;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.TestKit.ApiServers;

namespace Bursar.Tests.Conformance;

/// <summary>Behavior of the Sandbox alone: faults on demand, its address, its kubeconfig, its unsupported subresources.</summary>
public sealed class SandboxCases : IAsyncLifetime
{
    private Sandbox.Sandbox _sandbox = null!;
    private ApiServerUnderTest _api = null!;
    private string _ns = "";

    public async Task InitializeAsync()
    {
        _sandbox = await Sandbox.Sandbox.StartAsync(new SandboxOptions(), CancellationToken.None);
        _api = new ApiServerUnderTest("sandbox", EveryApiServer.SandboxClient(_sandbox), isSandbox: true, hasControllers: true);
        _ns = await _api.NamespaceAsync();
    }

    public async Task DisposeAsync()
    {
        _api.Dispose();
        await _sandbox.DisposeAsync();
    }

    [Theory]
    [InlineData(409, "Conflict")]
    [InlineData(429, "TooManyRequests")]
    [InlineData(500, "InternalError")]
    [InlineData(503, "ServiceUnavailable")]
    public async Task Fault_is_answered_the_requested_number_of_times(int code, string reason)
    {
        _sandbox.Faults.Add(
            new FaultRule(new Fault.Answer(code, RetryAfterSeconds: 3))
            {
                Verb = "create",
                Resource = "configmaps",
                Times = 2,
            }
        );
        for (var i = 0; i < 2; i++)
        {
            var reply = await _api.PostAsync(ConfigMaps, ConfigMap("x"));
            reply.Code.Should().Be(code);
            reply.Reason.Should().Be(reason);
            if (code is 429 or 503)
            {
                reply.Headers.RetryAfter!.Delta.Should().Be(TimeSpan.FromSeconds(3));
            }
        }

        (await _api.PostAsync(ConfigMaps, ConfigMap("x"))).Code.Should().Be(201);
        _sandbox.Faults.Shown.Should().Be(2);
    }

    [Fact]
    public async Task Answer_can_be_lost_after_the_deed()
    {
        _sandbox.Faults.Add(
            new FaultRule(new Fault.AnswerAfter(504))
            {
                Verb = "create",
                Resource = "configmaps",
                Times = 1,
            }
        );
        (await _api.PostAsync(ConfigMaps, ConfigMap("x"))).Code.Should().Be(504);
        (await _api.GetAsync($"{ConfigMaps}/x")).Code.Should().Be(200);
    }

    [Fact]
    public async Task Random_numbers_are_determined_by_the_seed()
    {
        async Task<string> Run()
        {
            await using var sandbox = await Sandbox.Sandbox.StartAsync(
                new SandboxOptions { Faults = new FaultPlan(new Random(7)) },
                CancellationToken.None
            );
            using var api = new ApiServerUnderTest("sandbox", EveryApiServer.SandboxClient(sandbox), true, true);
            sandbox.Faults.Add(new FaultRule(new Fault.Answer(500)) { Probability = 0.5 });
            var codes = "";
            for (var i = 0; i < 20; i++)
            {
                codes += (await api.GetAsync("/api/v1/namespaces")).Code == 500 ? "x" : ".";
            }

            return codes;
        }

        var first = await Run();
        first.Should().Contain("x").And.Contain(".");
        (await Run()).Should().Be(first);
    }

    [Fact]
    public async Task Watches_are_cut_and_expired_on_demand()
    {
        _sandbox.Faults.Add(new FaultRule(new Fault.ExpireWatch()) { Resource = "configmaps", Times = 1 });
        using (var expired = await _api.WatchAsync(ConfigMaps))
        {
            var line = await expired.NextAsync();
            line!.Value.Type.Should().Be("ERROR");
            ((int?)line.Value.Object["code"]).Should().Be(410);
        }

        _sandbox.Faults.Add(new FaultRule(new Fault.CutWatch(AfterLines: 1)) { Resource = "configmaps", Times = 1 });
        using var cut = await _api.WatchAsync(ConfigMaps);
        await _api.PostAsync(ConfigMaps, ConfigMap("a"));
        (await cut.NextAsync())!.Value.Type.Should().Be("ADDED");
        await _api.PostAsync(ConfigMaps, ConfigMap("b"));
        await FluentActions.Awaiting(() => cut.NextAsync()).Should().ThrowAsync<IOException>();
    }

    [Fact]
    public async Task All_open_watches_can_be_cut()
    {
        using var watch = await _api.WatchAsync(ConfigMaps);
        _sandbox.Faults.CutWatches("somebody-else/");
        await _api.PostAsync(ConfigMaps, ConfigMap("left"));
        (await watch.NextAsync())!.Value.Type.Should().Be("ADDED", "it is another client's");
        _sandbox.Faults.CutWatches();
        await FluentActions.Awaiting(() => watch.NextAsync()).Should().ThrowAsync<IOException>();
    }

    [Fact]
    public async Task Compaction_expires_watches_and_pages()
    {
        for (var i = 0; i < 4; i++)
        {
            await _api.PostAsync(ConfigMaps, ConfigMap($"c{i}"));
        }

        var page = (await _api.GetAsync($"{ConfigMaps}?limit=2")).Body!;
        await _api.PostAsync(ConfigMaps, ConfigMap("late"));
        _sandbox.Compact();
        var next = await _api.GetAsync($"{ConfigMaps}?limit=2&continue={(string)page["metadata"]!["continue"]!}");
        next.Code.Should().Be(410);
        next.Reason.Should().Be("Expired");
        using var watch = await _api.WatchAsync($"{ConfigMaps}?resourceVersion={(string)page["metadata"]!["resourceVersion"]!}");
        (await watch.NextAsync())!.Value.Type.Should().Be("ERROR");
    }

    [Fact]
    public async Task Foreign_host_header_is_refused()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_sandbox.Address, "/api/v1/namespaces"));
        request.Headers.Host = "evil.example.com";
        request.Headers.Authorization = new System.Net.Http.Headers.AuthenticationHeaderValue("Bearer", _sandbox.Token);
        using var client = new HttpClient(
            new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = static (_, _, _, _) => true } }
        );
        using var reply = await client.SendAsync(request);
        ((int)reply.StatusCode).Should().Be(421);
    }

    [SkippableFact]
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    public async Task Kubeconfig_is_readable_by_its_user_only()
    {
        var path = Path.Combine(Path.GetTempPath(), $"bursar-kubeconfig-{Guid.NewGuid():N}");
        try
        {
            await File.WriteAllTextAsync(path, "old and open");
            await _sandbox.WriteKubeconfigAsync(path, CancellationToken.None);
            Skip.If(OperatingSystem.IsWindows(), "Windows knows no file modes");
            File.GetUnixFileMode(path).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
            var config = Kubernetes.Config.KubeConfig.FromFile(path);
            config.Server.Should().Be(_sandbox.Address);
            config.Token.Should().Be(_sandbox.Token);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData("log")]
    [InlineData("exec")]
    [InlineData("portforward")]
    public async Task Unsupported_subresource_is_answered_501_with_a_message(string subresource)
    {
        await _api.PostAsync(
            $"/api/v1/namespaces/{_ns}/pods",
            """{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}"""
        );
        var reply = await _api.GetAsync($"/api/v1/namespaces/{_ns}/pods/p/{subresource}");
        reply.Code.Should().Be(501);
        reply.Message.Should().StartWith("the Sandbox does not offer").And.EndWith("use a real cluster for it");
    }

    private string ConfigMaps => $"/api/v1/namespaces/{_ns}/configmaps";

    private static string ConfigMap(string name, string value = "1") =>
        """
            {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"NAME"},"data":{"a":"VALUE"}}
            """.Replace("NAME", name).Replace("VALUE", value);
}

using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Bursar.Kubernetes.Config;
using Xunit;

namespace Bursar.Tests.TestKit.ApiServers;

/// <summary>The API servers of one test run, each started when first asked for and stopped at the end.</summary>
public sealed class EveryApiServer : IAsyncLifetime
{
    public const string SandboxName = "sandbox";
    public const string RealName = "kube-apiserver";

    private readonly Dictionary<string, ApiServerUnderTest> _servers = [];
    private ControlPlane? _plane;

    /// <summary>The Sandbox behind the server of that name, for what only it can do.</summary>
    public Sandbox.Sandbox? Sandbox { get; private set; }

    public static TheoryData<string> Names => new(SandboxName, RealName);

    public Task InitializeAsync() => Task.CompletedTask;

    /// <summary>The server of this name; skips the case where a real one is asked for and none is there.</summary>
    public async Task<ApiServerUnderTest> GetAsync(string name)
    {
        if (_servers.TryGetValue(name, out var known))
        {
            return known;
        }

        ApiServerUnderTest server;
        if (name == SandboxName)
        {
            Sandbox = await Bursar.Sandbox.Sandbox.StartAsync(new Bursar.Sandbox.SandboxOptions(), CancellationToken.None);
            server = new ApiServerUnderTest(name, SandboxClient(Sandbox), isSandbox: true, hasControllers: true);
        }
        else if (Environment.GetEnvironmentVariable("BURSAR_TEST_CLUSTER") == "1")
        {
            server = new ApiServerUnderTest(name, ClusterClient(KubeConfig.Load()), isSandbox: false, hasControllers: true);
        }
        else
        {
            Skip.IfNot(ControlPlane.IsPresent, ControlPlane.Absent);
            _plane = await ControlPlane.StartAsync(
                "garbage-collector-controller,namespace-controller,serviceaccount-controller",
                withScheduler: false,
                withServiceAccounts: false,
                CancellationToken.None
            );
            server = new ApiServerUnderTest(name, _plane.CreateClient(), isSandbox: false, hasControllers: _plane.HasControllerManager);
        }

        _servers[name] = server;
        return server;
    }

    public async Task DisposeAsync()
    {
        foreach (var server in _servers.Values)
        {
            server.Dispose();
        }

        if (Sandbox is not null)
        {
            await Sandbox.DisposeAsync();
        }

        if (_plane is not null)
        {
            await _plane.DisposeAsync();
        }
    }

    /// <summary>A client that trusts exactly the Sandbox's own authority.</summary>
    public static HttpClient SandboxClient(Sandbox.Sandbox sandbox)
    {
        var client = Client(X509Certificate2.CreateFromPem(sandbox.CertificateAuthority), sandbox.Address);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", sandbox.Token);
        return client;
    }

    private static HttpClient ClusterClient(KubeConfig config)
    {
        var pem = config.CertificateAuthorityPem ?? File.ReadAllText(config.CertificateAuthorityFile!);
        var handler = Handler(X509Certificate2.CreateFromPem(pem));
        if ((config.ClientCertificatePem ?? (config.ClientCertificateFile is { } file ? File.ReadAllText(file) : null)) is { } certificate)
        {
            var key = config.ClientKeyPem ?? File.ReadAllText(config.ClientKeyFile!);
            handler.SslOptions.ClientCertificates = [X509Certificate2.CreateFromPem(certificate, key)];
        }

        var client = new HttpClient(handler) { BaseAddress = config.Server, Timeout = TimeSpan.FromMinutes(2) };
        if (config.Token is { } token)
        {
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        return client;
    }

    private static HttpClient Client(X509Certificate2 authority, Uri address) =>
        new(Handler(authority)) { BaseAddress = address, Timeout = TimeSpan.FromMinutes(2) };

    private static SocketsHttpHandler Handler(X509Certificate2 authority) =>
        new()
        {
            SslOptions =
            {
                RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
                {
                    if (certificate is null || (errors & SslPolicyErrors.RemoteCertificateNameMismatch) != 0)
                    {
                        return false;
                    }

                    using var chain = new X509Chain();
                    chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
                    chain.ChainPolicy.CustomTrustStore.Add(authority);
                    chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
                    return chain.Build(new X509Certificate2(certificate));
                },
            },
        };
}

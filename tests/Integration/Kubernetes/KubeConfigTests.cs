using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Bursar.Tests.Integration.Kubernetes;

public sealed class KubeConfigTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("bursar-kube").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Files_are_merged_and_the_first_wins()
    {
        string first = Write(
            "first",
            """
            current-context: b
            clusters:
            - name: shared
              cluster: {server: "https://first:1", tls-server-name: api, insecure-skip-tls-verify: true, certificate-authority: ca.pem}
            contexts:
            - name: a
              context: {cluster: shared, user: u, namespace: ns-a}
            """
        );
        string second = Write(
            "second",
            """
            {"current-context": "a", "clusters": [{"name": "shared", "cluster": {"server": "https://second:2"}}],
             "users": [{"name": "u", "user": {"token": "t", "as": "someone", "as-groups": ["g"]}}],
             "contexts": [{"name": "b", "context": {"cluster": "shared", "user": "u"}}]}
            """
        );
        Dictionary<string, string> environment = new() { ["KUBECONFIG"] = $"{first}:{_folder}/absent:{second}" };

        KubeConfig config = KubeConfig.Load(environment: environment.GetValueOrDefault);
        config.Server.Should().Be(new Uri("https://first:1"));
        (config.Token, config.Namespace, config.TlsServerName, config.InsecureSkipTlsVerify).Should().Be(("t", null, "api", true));
        config.CertificateAuthorityFile.Should().Be(Path.Combine(_folder, "ca.pem"), "paths are relative to the file");
        (config.ImpersonateUser, config.ImpersonateGroups.Single()).Should().Be(("someone", "g"));
        KubeConfig.Load(context: "a", environment: environment.GetValueOrDefault).Namespace.Should().Be("ns-a");
    }

    [Fact]
    public void Missing_configuration_names_the_places_searched()
    {
        Dictionary<string, string> environment = new() { ["HOME"] = _folder };
        FluentActions
            .Invoking(() => KubeConfig.Load(environment: environment.GetValueOrDefault))
            .Should()
            .Throw<KubeConfigException>()
            .Which.Message.Should()
            .ContainAll("KUBECONFIG (not set)", $"{_folder}/.kube/config (no such file)", "KUBERNETES_SERVICE_HOST is not set");
    }

    [Theory]
    [InlineData("current-context: x", "has no context named 'x'")]
    [InlineData("clusters: []", "has no contexts")]
    [InlineData("contexts: [{name: y, context: {}}]", "has no current-context; it knows y")]
    [InlineData(
        "{current-context: y, contexts: [{name: y, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: {server: 'https://x'}}], users: [{name: u, user: {username: me, password: p}}]}",
        "signs in by username"
    )]
    [InlineData("{a: [", "cannot be read")]
    public void Broken_file_error_names_the_place(string text, string message)
    {
        string file = Write("broken", text);
        FluentActions
            .Invoking(() => KubeConfig.FromFile(file))
            .Should()
            .Throw<KubeConfigException>()
            .Which.Message.Should()
            .ContainAll(file, message);
    }

    [Fact]
    public void Pod_finds_its_service_account()
    {
        Write("token", "t");
        Write("ca.crt", "c");
        Write("namespace", "ours\n");
        Dictionary<string, string> environment = new()
        {
            ["HOME"] = _folder,
            ["KUBERNETES_SERVICE_HOST"] = "fd00::1",
            ["KUBERNETES_SERVICE_PORT"] = "443",
        };
        KubeConfig config = KubeConfig.Load(environment: environment.GetValueOrDefault, serviceAccountDirectory: _folder);
        config.Server.Should().Be(new Uri("https://[fd00::1]:443/"));
        (config.Namespace, config.TokenFile).Should().Be(("ours", Path.Combine(_folder, "token")));
    }

    [Fact]
    public async Task Token_file_is_read_again_each_minute_and_when_refused()
    {
        VirtualTimeProvider clock = new();
        string file = Write("token", "one\n");
        string refused = "";
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (asked, context) =>
                asked.Headers["Authorization"] == $"Bearer {refused}"
                    ? context.StatusAsync(401, "Unauthorized")
                    : context.JsonAsync(Answers.Map("m", "1"))
        );
        using KubeClient client = new(
            new KubeConfig { Server = server.Address, TokenFile = file },
            new KubeClientOptions { TimeProvider = clock }
        );
        async Task<string> UsedAsync()
        {
            await client.GetAsync<V1ConfigMap>("m", "a", default);
            return server.Requests.Last().Headers["Authorization"];
        }

        (await UsedAsync()).Should().Be("Bearer one");
        File.WriteAllText(file, "two");
        clock.Advance(TimeSpan.FromSeconds(59));
        (await UsedAsync()).Should().Be("Bearer one");
        clock.Advance(TimeSpan.FromSeconds(1));
        (await UsedAsync()).Should().Be("Bearer two");
        File.WriteAllText(file, "three");
        refused = "two";
        (await UsedAsync()).Should().Be("Bearer three");
    }

    [Fact]
    public async Task Plugin_is_run_again_when_its_credential_expires_or_is_refused()
    {
        VirtualTimeProvider clock = new();
        string runs = Path.Combine(_folder, "runs");
        string plugin = Write(
            "plugin.sh",
            $$"""
            #!/bin/sh
            echo "$KUBERNETES_EXEC_INFO $EXTRA $1" >> {{runs}}
            n=$(wc -l < {{runs}})
            echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t'$n'","expirationTimestamp":"2026-01-01T01:00:00Z"} }'
            """
        );
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(plugin, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string file = Write(
            "config",
            """
            current-context: c
            clusters: [{name: c, cluster: {server: "SERVER"}}]
            contexts: [{name: c, context: {cluster: c, user: u}}]
            users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin.sh, args: [arg], env: [{name: EXTRA, value: more}], provideClusterInfo: true}}}]
            """
        );
        string refused = "";
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (asked, context) =>
                asked.Headers["Authorization"] == $"Bearer {refused}"
                    ? context.StatusAsync(401, "Unauthorized")
                    : context.JsonAsync(Answers.Map("m", "1"))
        );
        File.WriteAllText(file, File.ReadAllText(file).Replace("SERVER", server.Address.ToString()));
        using KubeClient client = new(KubeConfig.FromFile(file), new KubeClientOptions { TimeProvider = clock });
        async Task<string> UsedAsync()
        {
            await client.GetAsync<V1ConfigMap>("m", "a", default);
            return server.Requests.Last().Headers["Authorization"];
        }

        (await UsedAsync()).Should().Be("Bearer t1");
        (await UsedAsync()).Should().Be("Bearer t1");
        refused = "t1";
        (await UsedAsync()).Should().Be("Bearer t2");
        clock.Advance(TimeSpan.FromHours(1));
        (await UsedAsync()).Should().Be("Bearer t3");
        string said = File.ReadAllLines(runs)[0];
        said.Should().EndWith(" more arg").And.Contain("\"kind\":\"ExecCredential\"").And.Contain($"\"server\":\"{server.Address}\"");
    }

    [Fact]
    public async Task Impersonated_user_and_groups_are_sent_once_with_each_attempt()
    {
        int asked = 0;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (_, context) =>
                Interlocked.Increment(ref asked) == 1 ? context.StatusAsync(500, "InternalError") : context.JsonAsync(Answers.Map("m", "1"))
        );
        using KubeClient client = new(
            new KubeConfig
            {
                Server = server.Address,
                ImpersonateUser = "someone",
                ImpersonateGroups = ["g"],
            }
        );
        await client.GetAsync<V1ConfigMap>("m", "a", default);
        server
            .Requests.Select(one => (one.Headers["Impersonate-User"], one.Headers["Impersonate-Group"]))
            .Should()
            .Equal(("someone", "g"), ("someone", "g"));
    }

    [Fact]
    public async Task Refused_client_certificate_of_a_plugin_is_renewed_on_a_new_connection()
    {
        using X509Certificate2 authority = Authority("ours");
        string[] names = ["one", "two"];
        foreach (string name in names)
        {
            using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            using X509Certificate2 certificate = Issue(authority, "1.3.6.1.5.5.7.3.2", key, subject: name);
            Write(
                name,
                new JsonObject
                {
                    ["apiVersion"] = "client.authentication.k8s.io/v1",
                    ["kind"] = "ExecCredential",
                    ["status"] = new JsonObject
                    {
                        ["clientCertificateData"] = certificate.ExportCertificatePem(),
                        ["clientKeyData"] = key.ExportPkcs8PrivateKeyPem(),
                    },
                }.ToJsonString()
            );
        }

        string plugin = Write("plugin.sh", $"#!/bin/sh\ncd {_folder}\nif [ -e run ]; then cat two; else touch run; cat one; fi\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(plugin, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string refused = "";
        List<string> shown = [];
        await using WebApplication app = TlsServer(authority, context =>
        {
            string subject = context.Connection.ClientCertificate!.Subject;
            shown.Add(subject);
            return subject == refused ? context.StatusAsync(401, "Unauthorized") : context.JsonAsync(Answers.Map("m", "1"));
        });
        await app.StartAsync();
        using KubeClient client = new(
            new KubeConfig
            {
                Server = AddressOf(app),
                TlsServerName = "api.internal",
                CertificateAuthorityPem = authority.ExportCertificatePem(),
                Exec = new ExecPlugin { Command = plugin, ApiVersion = "client.authentication.k8s.io/v1" },
            }
        );
        await client.GetAsync<V1ConfigMap>("m", "a", default);
        refused = "CN=one";
        await client.GetAsync<V1ConfigMap>("m", "a", default);
        shown.Should().Equal("CN=one", "CN=one", "CN=two");
    }

    [Fact]
    public async Task Missing_plugin_error_says_how_to_install_it()
    {
        using KubeClient client = new(
            new KubeConfig
            {
                Server = new Uri("http://127.0.0.1:1"),
                Exec = new ExecPlugin
                {
                    Command = "/no/such/plugin",
                    ApiVersion = "client.authentication.k8s.io/v1",
                    InstallHint = "Install it.",
                },
            }
        );
        (await FluentActions.Awaiting(() => client.GetAsync<V1Node>("n", null, default)).Should().ThrowAsync<KubeConfigException>())
            .Which.Message.Should()
            .ContainAll("/no/such/plugin", "Install it.");
    }

    [Fact]
    public void Server_is_trusted_only_from_the_configured_authority_with_its_name()
    {
        using X509Certificate2 authority = Authority("ours"),
            foreign = Authority("theirs");
        using X509Certificate2 good = Issue(authority, "1.3.6.1.5.5.7.3.1"),
            strange = Issue(foreign, "1.3.6.1.5.5.7.3.1"),
            client = Issue(authority, "1.3.6.1.5.5.7.3.2");
        ServerTrust trust = new(
            new KubeConfig { Server = new Uri("https://x"), CertificateAuthorityPem = authority.ExportCertificatePem() },
            TimeProvider.System
        );
        trust.Refusal(good, null, System.Net.Security.SslPolicyErrors.RemoteCertificateChainErrors).Should().BeNull();
        trust.Refusal(good, null, System.Net.Security.SslPolicyErrors.RemoteCertificateNameMismatch).Should().NotBeNull();
        trust.Refusal(strange, null, System.Net.Security.SslPolicyErrors.None).Should().NotBeNull();
        trust.Refusal(client, null, System.Net.Security.SslPolicyErrors.None).Should().NotBeNull("it is no server's certificate");
        trust.Refusal(null, null, System.Net.Security.SslPolicyErrors.RemoteCertificateNotAvailable).Should().NotBeNull();
    }

    [Fact]
    public async Task TLS_connection_checks_the_server_name_and_sends_the_client_certificate()
    {
        using X509Certificate2 authority = Authority("ours"),
            foreign = Authority("theirs");
        using ECDsa clientKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 ours = Issue(authority, "1.3.6.1.5.5.7.3.2", clientKey);
        await using WebApplication app = TlsServer(authority, context =>
            context.JsonAsync(Answers.Map(context.Connection.ClientCertificate!.Subject, context.Request.Host.Host))
        );
        await app.StartAsync();
        KubeConfig config = new()
        {
            Server = AddressOf(app),
            TlsServerName = "api.internal",
            CertificateAuthorityPem = authority.ExportCertificatePem(),
            ClientCertificatePem = ours.ExportCertificatePem(),
            ClientKeyPem = clientKey.ExportPkcs8PrivateKeyPem(),
        };
        async Task<V1ObjectMeta> AskAsync(KubeConfig how)
        {
            using KubeClient client = new(how, new KubeClientOptions { MaxReadRetries = 0 });
            return (await client.GetAsync<V1ConfigMap>("m", "a", default)).Metadata;
        }

        V1ObjectMeta answer = await AskAsync(config);
        (answer.Name, answer.ResourceVersion).Should().Be(("CN=server", "api.internal"));
        await FluentActions
            .Awaiting(() => AskAsync(config with { TlsServerName = null }))
            .Should()
            .ThrowAsync<HttpRequestException>("the address is not in the certificate");
        await FluentActions
            .Awaiting(() => AskAsync(config with { CertificateAuthorityPem = foreign.ExportCertificatePem() }))
            .Should()
            .ThrowAsync<HttpRequestException>();
        await FluentActions
            .Awaiting(() => AskAsync(config with { CertificateAuthorityPem = null }))
            .Should()
            .ThrowAsync<HttpRequestException>("the system does not know this authority");
        (await AskAsync(config with { InsecureSkipTlsVerify = true, TlsServerName = null })).Name.Should().Be("CN=server");
    }

    /// <summary>A server named api.internal that requires a client certificate and accepts any.</summary>
    private static WebApplication TlsServer(X509Certificate2 authority, RequestDelegate answer)
    {
        ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        X509Certificate2 shown = Issue(authority, "1.3.6.1.5.5.7.3.1", key, "api.internal").CopyWithPrivateKey(key);
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder
            .WebHost.UseKestrelHttpsConfiguration()
            .ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.UseHttps(https =>
                    {
                        https.ServerCertificate = shown;
                        https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
                        https.AllowAnyClientCertificate();
                    })));
        WebApplication app = builder.Build();
        app.Run(answer);
        return app;
    }

    private static Uri AddressOf(WebApplication app) =>
        new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    private static X509Certificate2 Authority(string name)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(30));
    }

    private static X509Certificate2 Issue(X509Certificate2 authority, string usage)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return Issue(authority, usage, key);
    }

    private static X509Certificate2 Issue(
        X509Certificate2 authority,
        string usage,
        ECDsa key,
        string? dnsName = null,
        string subject = "server"
    )
    {
        CertificateRequest request = new($"CN={subject}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
        SubjectAlternativeNameBuilder names = new();
        if (dnsName is not null)
            names.AddDnsName(dnsName);
        if (dnsName is not null)
            request.CertificateExtensions.Add(names.Build());
        return request.Create(
            authority,
            TimeProvider.System.GetUtcNow().AddHours(-1),
            TimeProvider.System.GetUtcNow().AddDays(1),
            Encoding.ASCII.GetBytes("12345678")
        );
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }
}

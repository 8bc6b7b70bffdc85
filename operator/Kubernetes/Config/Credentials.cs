using System.ComponentModel;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using k8s.Authentication;

namespace Bursar.Kubernetes.Config;

/// <summary>
/// The current credentials. A token file is read again each minute, and a certificate file when it has changed. An exec plugin runs again
/// when its credential has expired or was refused.
/// </summary>
internal sealed class Credentials(KubeConfig config, TimeProvider time) : ITokenProvider, IDisposable
{
    private static readonly TimeSpan FileAge = TimeSpan.FromMinutes(1);
    private readonly SemaphoreSlim _gate = new(1, 1);
    private string? _token = config.Token;
    private DateTimeOffset _tokenRead = DateTimeOffset.MinValue;
    private DateTimeOffset? _expires;
    private bool _executed;
    private X509Certificate2? _certificate;
    private (DateTime, DateTime) _certificateRead;
    private X509Certificate2? _pluginCertificate;

    /// <summary>Increases with each client certificate of an exec plugin, because a new certificate needs new connections.</summary>
    public int Generation { get; private set; }

    public void Dispose() => _gate.Dispose();

    /// <summary>Returns the Authorization header; null if there is no token.</summary>
    public async Task<AuthenticationHeaderValue> GetAuthenticationHeaderAsync(CancellationToken cancellationToken) =>
        await TokenAsync(cancellationToken).ConfigureAwait(false) is { Length: > 0 } token
            ? new AuthenticationHeaderValue("Bearer", token)
            : null!;

    public async ValueTask<string?> TokenAsync(CancellationToken cancellationToken)
    {
        if (config.Exec is null && config.TokenFile is null)
            return config.Token;
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            DateTimeOffset now = time.GetUtcNow();
            if (config.TokenFile is not null)
            {
                // Token files change, because service account tokens expire after about an hour. The file takes precedence over a literal
                // token.
                if (now - _tokenRead >= FileAge)
                {
                    _token = (await File.ReadAllTextAsync(config.TokenFile, cancellationToken).ConfigureAwait(false)).Trim();
                    _tokenRead = now;
                }
            }
            else if (!_executed || (_expires is { } expires && now >= expires))
            {
                await ExecuteAsync(config.Exec!, cancellationToken).ConfigureAwait(false);
            }

            return _token;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Reports that the server refused the credentials. Returns true if another attempt may get new ones.</summary>
    public bool Refused()
    {
        if (config.Exec is null && config.TokenFile is null)
            return false;
        _executed = false;
        _tokenRead = DateTimeOffset.MinValue;
        return true;
    }

    /// <summary>Returns the client certificate; null if there is none.</summary>
    public X509Certificate2? ClientCertificate()
    {
        if (_pluginCertificate is not null)
            return _pluginCertificate;
        if (config.ClientCertificatePem is null && config.ClientCertificateFile is null)
            return null;
        (DateTime, DateTime) read = (Written(config.ClientCertificateFile), Written(config.ClientKeyFile));
        if (_certificate is not null && read == _certificateRead)
            return _certificate;
        try
        {
            string certificate = config.ClientCertificatePem ?? File.ReadAllText(config.ClientCertificateFile!);
            string key = config.ClientKeyPem ?? (config.ClientKeyFile is null ? certificate : File.ReadAllText(config.ClientKeyFile));
            _certificate = X509Certificate2.CreateFromPem(certificate, key);
            _certificateRead = read;
            return _certificate;
        }
        catch (Exception broken) when (broken is CryptographicException or IOException or ArgumentException)
        {
            throw new KubeConfigException($"The client certificate of {config.Source} cannot be used: {broken.Message}", broken);
        }
    }

    private static DateTime Written(string? file) => file is null ? default : File.GetLastWriteTimeUtc(file);

    private async Task ExecuteAsync(ExecPlugin plugin, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = new(plugin.Command)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (string argument in plugin.Arguments)
            start.ArgumentList.Add(argument);
        foreach ((string name, string value) in plugin.Environment)
            start.Environment[name] = value;
        start.Environment["KUBERNETES_EXEC_INFO"] = ExecInfo(plugin);
        string output,
            errors;
        int code;
        try
        {
            using Process process = Process.Start(start)
                ?? throw new KubeConfigException($"The credential plugin {plugin.Command} did not start.");
            try
            {
                Task<string> reading = process.StandardOutput.ReadToEndAsync(cancellationToken);
                Task<string> complaints = process.StandardError.ReadToEndAsync(cancellationToken);
                await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
                output = await reading.ConfigureAwait(false);
                errors = await complaints.ConfigureAwait(false);
                code = process.ExitCode;
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                throw;
            }
        }
        catch (Win32Exception missing)
        {
            string hint = plugin.InstallHint is null ? "" : $" {plugin.InstallHint}";
            throw new KubeConfigException($"The credential plugin {plugin.Command} cannot be run: {missing.Message}.{hint}", missing);
        }

        if (code != 0)
            throw new KubeConfigException($"The credential plugin {plugin.Command} ended with {code}: {errors.Trim()}");
        ReadOutput(plugin, output);
    }

    /// <summary>
    /// Reads the output of a plugin, such as
    /// {"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"…","expirationTimestamp":"2026-01-01T00:00:00Z"}}.
    /// </summary>
    private void ReadOutput(ExecPlugin plugin, string output)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(output);
            JsonElement status = document.RootElement.GetProperty("status");
            _token = status.TryGetProperty("token", out JsonElement token) ? token.GetString() : null;
            _expires =
                status.TryGetProperty("expirationTimestamp", out JsonElement expires) && expires.TryGetDateTimeOffset(out DateTimeOffset at)
                    ? at
                    : null;
            if (
                status.TryGetProperty("clientCertificateData", out JsonElement certificate)
                && status.TryGetProperty("clientKeyData", out JsonElement key)
            )
            {
                _pluginCertificate = X509Certificate2.CreateFromPem(certificate.GetString(), key.GetString());
                Generation++;
            }

            _executed = true;
        }
        catch (Exception broken)
            when (broken is JsonException or KeyNotFoundException or InvalidOperationException or CryptographicException)
        {
            throw new KubeConfigException(
                $"The credential plugin {plugin.Command} answered something that is no ExecCredential: {broken.Message}",
                broken
            );
        }
    }

    private string ExecInfo(ExecPlugin plugin)
    {
        using MemoryStream buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("apiVersion", plugin.ApiVersion);
            writer.WriteString("kind", "ExecCredential");
            writer.WriteStartObject("spec");
            writer.WriteBoolean("interactive", false);
            if (plugin.ProvideClusterInfo)
            {
                writer.WriteStartObject("cluster");
                writer.WriteString("server", config.Server.ToString());
                if (config.TlsServerName is not null)
                    writer.WriteString("tls-server-name", config.TlsServerName);
                if (config.InsecureSkipTlsVerify)
                    writer.WriteBoolean("insecure-skip-tls-verify", true);
                string? authority = config.CertificateAuthorityPem
                    ?? (config.CertificateAuthorityFile is null ? null : File.ReadAllText(config.CertificateAuthorityFile));
                if (authority is not null)
                    writer.WriteBase64String("certificate-authority-data", Encoding.UTF8.GetBytes(authority));
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }
}

using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Bursar.Concurrency;
using Microsoft.Extensions.Logging;

namespace Bursar.Agent.Certificates;

/// <summary>The server certificate and the trusted roots, read together from the folder.</summary>
public sealed record ServingCertificates(X509Certificate2 Server, X509Certificate2Collection Roots);

/// <summary>
/// A mounted Secret: <c>tls.crt</c>, <c>tls.key</c> and <c>ca.crt</c> (one or more roots). It is read every ten seconds. If the files
/// cannot be read, the previous certificates stay in use and <see cref="Fault"/> says why. Readers may use any thread.
/// </summary>
public sealed partial class CertificateFolder(string? path, TimeProvider time, ILogger<CertificateFolder> logger)
{
    public static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(10);

    private byte[] _seen = [];
    private volatile ServingCertificates? _current;
    private volatile string? _fault = path is null ? "no certificate directory is configured" : "the certificates are not there yet";

    /// <summary>Null until certificates were read.</summary>
    public ServingCertificates? Current => _current;

    /// <summary>Why the files on disk are not in use; null if they are.</summary>
    public string? Fault => _fault;

    public Task RunAsync(CancellationToken cancellationToken) =>
        PeriodicLoop.RunAsync(
            time,
            "certificates",
            _ =>
            {
                Check();
                return Task.FromResult(PollInterval);
            },
            cancellationToken,
            first: PollInterval
        );

    public void Check()
    {
        if (path is null)
            return;
        try
        {
            string certificate = File.ReadAllText(Path.Combine(path, "tls.crt"));
            string key = File.ReadAllText(Path.Combine(path, "tls.key"));
            string roots = File.ReadAllText(Path.Combine(path, "ca.crt"));
            byte[] hash = SHA256.HashData(System.Text.Encoding.UTF8.GetBytes($"{certificate}\0{key}\0{roots}"));
            if (hash.AsSpan().SequenceEqual(_seen))
                return;
            var trusted = new X509Certificate2Collection();
            trusted.ImportFromPem(roots);
            if (trusted.Count == 0)
                throw new CryptographicException("ca.crt contains no certificate");
            // The old certificates are not disposed: a handshake may still be using them.
            _current = new ServingCertificates(X509Certificate2.CreateFromPem(certificate, key), trusted);
            _seen = hash;
            _fault = null;
            LogRead(_current.Server.Subject, _current.Server.NotAfter.ToUniversalTime());
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            string fault =
                _current is null && exception is FileNotFoundException or DirectoryNotFoundException
                    ? "the certificates are not there yet"
                    : $"the certificates in {path} cannot be read: {exception.Message}";
            if (_fault != fault)
                LogFault(fault);
            _fault = fault;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Loaded certificate {Subject}, valid until {NotAfter:u}")]
    private partial void LogRead(string subject, DateTime notAfter);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Loading certificates failed: {Reason}")]
    private partial void LogFault(string reason);
}
